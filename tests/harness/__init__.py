"""What integration tests share: real workers as processes, Kafka, Postgres, and events."""
