"""Kafka as every client of ours speaks to it: options, topics, names of headers.

May import: errors, settings.
"""
