"""What the Atlas billing services say to each other: events, streams, API models.

``billing`` and ``entitlements`` hold the events on the broker, ``streams`` the streams that carry them, ``public_api``,
``internal_api`` and ``read_api`` what travels over HTTP, ``callers`` who may call what.
"""
