"""Postgres: connections, and the meaning of their errors.

May import: errors, settings, domain.
"""
