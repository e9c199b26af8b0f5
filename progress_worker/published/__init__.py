"""TODO progress_worker/published."""
