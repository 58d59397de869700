"""The types of Stripe's official npm package, kept as JSON, and a check of objects against them."""
