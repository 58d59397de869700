"""Pure: no framework, no I/O, no clock."""
