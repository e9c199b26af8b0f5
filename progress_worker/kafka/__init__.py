"""What every Kafka client of this project shares: options, topics, header names.

May import: errors, settings.
"""
