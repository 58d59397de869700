"""What a buyer reads when something they need does not answer: the same text whichever service says it.

The web client shows these texts as they are, so none may change by a byte.
"""

from __future__ import annotations

from typing import Final

CHECKOUT: Final = "Checkout is temporarily unavailable. Please try again later."
PORTAL: Final = "Billing portal is temporarily unavailable. Please try again later."
RESTORE: Final = "Restore is temporarily unavailable. Please try again later."
BILLING: Final = "Billing is temporarily unavailable. Please try again later."
"""For a failure of which it isn't known whether Checkout or the portal was wanted."""
STRIPE: Final = "Stripe is temporarily unavailable. Please try again later."
"""Told to operators, who know what Stripe is."""
FORGETTING: Final = "Not everything was forgotten yet. Please repeat it later; it goes on where it stopped."
"""Told to operators and to the web app."""
SERVICE: Final = "Service is temporarily unavailable. Please try again later."
"""Where no route has words of its own."""
