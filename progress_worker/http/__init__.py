"""The read-only HTTP view.

May import: errors, settings, events, domain, telemetry, storage.
"""
