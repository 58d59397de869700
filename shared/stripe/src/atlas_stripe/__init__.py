"""Everything that depends on Stripe's API: objects and statuses, their mapping to facts, the refund arithmetic."""
