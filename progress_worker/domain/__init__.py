"""The rules of progress: pure functions without a clock, a database or a network.

May import: nothing.
"""
