"""`./atlas doctor`: looks at everything a running system depends on; each finding comes with its remedy."""
