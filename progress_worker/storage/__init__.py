"""Postgres: tables, what ingest loads and saves, what the HTTP view reads."""
