"""Metrics, logs and traces.

May import: errors, settings, storage.
"""
