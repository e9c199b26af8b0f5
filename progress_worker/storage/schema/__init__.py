"""The tables, their migrations and who may do what with them.

May import: errors, settings, domain.
"""
