"""TODO progress_worker/generator."""
