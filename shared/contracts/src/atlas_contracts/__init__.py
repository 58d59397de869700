"""What the Atlas billing services say to each other: events, streams, API models.

``billing`` and ``entitlements`` hold the events on the broker, ``streams`` where they travel, ``stripe_mapping`` how a
Stripe object becomes a canonical fact, ``public_api`` and ``internal_api`` what travels over HTTP.
"""
