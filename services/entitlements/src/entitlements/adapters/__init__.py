"""Code that talks to the outside for the use cases: database tables, the broker, other processes."""
