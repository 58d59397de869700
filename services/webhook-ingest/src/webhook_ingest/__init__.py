"""The door: verifies, normalises and publishes what Stripe says."""
