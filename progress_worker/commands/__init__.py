"""Carries out commands: recalculations, excuses and erasures.

May import: errors, events, domain, settings, storage, kafka, runtime, telemetry, outbox.
"""
