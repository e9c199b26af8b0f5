"""TODO progress_worker/storage/write."""
