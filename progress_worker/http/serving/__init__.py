"""The servers of the view and of the probes, with limits on their connections.

May import: errors, settings.
"""
