"""From Kafka to Postgres: reads, decodes, folds and commits batches of completions.

May import: errors, settings, kafka, events, domain, telemetry, storage, runtime, outbox.
"""
