"""Work that goes over all learners, a page at a time.

May import: errors, settings, telemetry, domain, storage, outbox, runtime.
"""
