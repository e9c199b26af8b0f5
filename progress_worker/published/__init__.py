"""Generates files from the code: schemas, AsyncAPI, reference pages.

May import: errors, settings, events, telemetry, http, doctor.
"""
