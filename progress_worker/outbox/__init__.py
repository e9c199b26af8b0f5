"""Postgres to Kafka: the relay that publishes the outbox."""
