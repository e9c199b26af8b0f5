"""Carries out commands: recalculations, excuses, preferences and erasures.

May import: errors, events, domain, settings, storage, kafka, runtime, telemetry, outbox.
"""
