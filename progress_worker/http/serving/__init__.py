"""TODO progress_worker/http/serving."""
