"""Warns learners whose streak is about to be lost, by the index of expiries.

May import: errors, domain, telemetry, storage, runtime, outbox.
"""
