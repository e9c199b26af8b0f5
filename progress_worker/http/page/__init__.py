"""TODO progress_worker/http/page."""
