"""From Postgres to Kafka: builds outgoing records, and publishes those in the outbox.

May import: errors, settings, kafka, events, domain, telemetry, storage, runtime.
"""
