"""TODO progress_worker/http/security."""
