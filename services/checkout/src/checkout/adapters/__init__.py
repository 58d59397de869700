"""What goes out: tables, publishing, Stripe, other services."""
