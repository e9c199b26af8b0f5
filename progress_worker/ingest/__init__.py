"""Kafka to Postgres: one batch is one transaction, and its offsets follow the commit."""
