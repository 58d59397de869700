"""Rules as pure functions: no framework, no I/O, no clock."""
