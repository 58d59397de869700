"""The shapes of everything that the Atlas billing services exchange: events, streams, API models.

``billing`` and ``entitlements`` have the events on the broker, ``streams`` the streams that carry them, ``public_api``,
``internal_api`` and ``read_api`` the bodies of HTTP requests and answers, ``callers`` which service may call which
route.
"""
