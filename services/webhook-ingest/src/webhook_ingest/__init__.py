"""Takes in Stripe's events: verifies them, turns them into canonical billing events, and publishes those."""
