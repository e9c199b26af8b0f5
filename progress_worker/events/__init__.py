"""The wire: what we read from Kafka and what we write to it."""
