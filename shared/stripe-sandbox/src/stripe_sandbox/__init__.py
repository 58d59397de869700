"""A stateful stand-in for Stripe: API, hosted pages, signed webhooks and a control surface.

Start it with ``python -m stripe_sandbox``; see ``docs/sandbox.md``.
"""
