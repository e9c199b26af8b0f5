"""Those that compete with the worker, each a program of its own."""
