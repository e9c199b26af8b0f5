"""What is asked for by command: a learner is derived again from the stored completions.

May import: errors, events, domain, storage, runtime, outbox.
"""
