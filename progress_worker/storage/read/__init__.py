"""What the HTTP view reads of one learner.

May import: errors, settings, domain.
"""
