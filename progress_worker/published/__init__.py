"""Generates files from the code: schemas, AsyncAPI, reference pages.

May import: errors, domain, settings, events, telemetry, http, doctor.
"""
