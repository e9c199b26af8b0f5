"""An event-driven consumer that turns finished exercises into learners' progress."""

__version__ = "0.1.0"

#: How our HTTP requests call themselves; firewalls refuse the names of libraries.
USER_AGENT = f"progress-worker/{__version__}"
