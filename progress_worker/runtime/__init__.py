"""TODO progress_worker/runtime."""
