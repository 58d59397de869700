"""Everything that knows Stripe's words: objects and statuses, their mapping to facts, the refund arithmetic."""
