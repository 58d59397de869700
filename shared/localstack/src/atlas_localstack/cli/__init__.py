"""The `atlas` command line; each command is a small module of its own."""
