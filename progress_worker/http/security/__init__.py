"""Who asks: bearer tokens and the keys that sign them.

May import: errors, settings, events, domain, telemetry, storage.
"""
