"""What the worker reads and writes of learners, completions and the outbox.

May import: errors, settings, domain.
"""
