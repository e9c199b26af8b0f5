"""An event-driven consumer that turns finished exercises into learners' progress."""

__version__ = "0.1.0"
