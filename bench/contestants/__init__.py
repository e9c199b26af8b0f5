"""The programs that compete with the worker."""
