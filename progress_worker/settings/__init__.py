"""Every setting with its meaning; the only package that reads the environment.

May import: errors, domain.
"""
