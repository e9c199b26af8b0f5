"""TODO progress_worker/demo."""
