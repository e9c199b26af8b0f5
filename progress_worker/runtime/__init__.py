"""What every service of the worker shares: retries, readiness, starting and stopping in time.

May import: errors, settings, kafka, telemetry, storage.
"""
