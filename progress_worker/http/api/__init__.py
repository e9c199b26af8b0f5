"""TODO progress_worker/http/api."""
