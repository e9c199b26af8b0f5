"""The way back for dead letters: look at them, and send them again where they came from."""
