"""Pure rules: no I/O and no clock; the same input gives the same output on any machine."""
