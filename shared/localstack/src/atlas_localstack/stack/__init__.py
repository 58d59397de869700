"""The local stack: embedded servers, the Stripe sandbox and the four services, kept running by one supervisor."""
