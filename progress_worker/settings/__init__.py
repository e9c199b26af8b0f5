"""TODO progress_worker/settings."""
