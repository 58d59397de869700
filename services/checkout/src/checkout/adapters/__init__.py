"""Code that talks to the outside for the use cases: tables, the broker, Stripe, other services."""
