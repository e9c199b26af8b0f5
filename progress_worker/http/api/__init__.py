"""The JSON paths: parameters, answers, export and the OpenAPI document.

May import: errors, settings, events, domain, telemetry, storage.
"""
