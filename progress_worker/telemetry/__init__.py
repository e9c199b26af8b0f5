"""What ops sees: metrics, logs, health."""
