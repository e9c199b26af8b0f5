"""Estimates what a platform takes, from what one event was measured to cost.

May import: settings.
"""
