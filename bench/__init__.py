"""The benchmark: the worker, the ceiling and the usual alternatives on the same generated work."""
