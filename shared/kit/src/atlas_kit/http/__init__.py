"""HTTP: the application, its protocol and middleware, errors, identity, calls to other services."""
