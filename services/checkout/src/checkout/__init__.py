"""The service that calls Stripe: customers, hosted Checkout, portal, restore, confirm."""
