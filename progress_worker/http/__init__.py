"""The read-only HTTP view of learners' progress."""
