"""`./atlas doctor`: checks everything that a running system depends on. Each finding says what to do."""
