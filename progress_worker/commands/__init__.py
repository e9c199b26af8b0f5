"""Carries out commands: derives a learner again from the stored completions.

May import: errors, events, domain, storage, runtime, outbox.
"""
