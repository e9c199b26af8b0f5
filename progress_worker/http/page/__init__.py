"""The learner's page in a browser.

May import: errors, settings, events, domain, telemetry, storage.
"""
