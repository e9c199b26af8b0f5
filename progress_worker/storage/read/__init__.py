"""TODO progress_worker/storage/read."""
