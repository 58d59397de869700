"""The local stack, the Stripe sandbox and the atlas command line."""
