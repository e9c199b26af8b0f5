"""TODO progress_worker/commands."""
