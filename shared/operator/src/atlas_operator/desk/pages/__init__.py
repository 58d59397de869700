"""The desk's pages: what `desk.ports.Pages` says, and the routes of what is only read."""
