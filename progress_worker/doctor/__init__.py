"""Connects to everything that a deployment needs, changes nothing, says what is wrong.

May import: errors, settings, kafka, storage, http.
"""
