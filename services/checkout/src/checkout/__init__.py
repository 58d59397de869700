"""Talks to Stripe: customers, hosted Checkout, portal, restore, confirm."""
