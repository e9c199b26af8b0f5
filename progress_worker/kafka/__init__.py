"""TODO progress_worker/kafka."""
