"""Stripe's objects: what each looks like and what can be done with it."""
