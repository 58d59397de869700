"""Code that talks to the outside for the use cases: the broker, Stripe, other services."""
