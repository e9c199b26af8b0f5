"""The broker and the Postgres that the demo and the tests start.

May import: errors.
"""
