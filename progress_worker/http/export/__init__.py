"""The export: everything about a learner in JSON, CSV, xAPI, or all of them in a zip file.

May import: errors, settings, events, domain, telemetry, storage.
"""
