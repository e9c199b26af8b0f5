"""Connects to everything that a deployment needs, and says what is wrong. Changes nothing.

May import: errors, settings, kafka, storage, http.
"""
