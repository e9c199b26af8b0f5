"""Made-up exercises of made-up learners.

May import: errors, settings, kafka, events, domain.
"""
