"""The wire: CloudEvents, and the model of each type of event.

May import: errors, domain.
"""
