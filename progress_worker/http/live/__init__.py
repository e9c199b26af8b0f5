"""Live updates: Server-Sent Events, and tickets for clients that cannot send headers.

May import: errors, settings, events, domain, telemetry, storage.
"""
