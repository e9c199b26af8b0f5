"""Carries out commands: recalculations, excuses and erasures.

May import: errors, events, domain, settings, storage, runtime, outbox.
"""
