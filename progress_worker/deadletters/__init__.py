"""Reads dead letters and sends them again.

May import: errors, settings, kafka, events, telemetry.
"""
