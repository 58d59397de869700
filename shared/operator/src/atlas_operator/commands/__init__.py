"""The commands that look after the money: one module each."""
