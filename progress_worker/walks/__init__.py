"""TODO progress_worker/walks."""
