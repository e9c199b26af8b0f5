"""From Postgres to Kafka: builds outgoing records, and publishes what transactions owe.

May import: errors, settings, kafka, events, domain, telemetry, storage, runtime.
"""
