"""The whole system on this machine, and a check of all that it shows.

May import: errors, settings, kafka, events, domain, storage, http, generator, embedded.
"""
