"""TODO progress_worker/storage/schema."""
