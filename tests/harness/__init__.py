"""Shared by integration tests: real workers as processes, Kafka, Postgres, and events."""
