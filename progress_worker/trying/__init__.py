"""Tries a rule book on a file of events, without broker and database.

May import: errors, events, domain, ingest, commands.
"""
