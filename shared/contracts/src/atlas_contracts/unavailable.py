"""Messages for a part that does not answer, the same in every service.

The web client shows these texts as they are, so they must not change by a byte.
"""

from __future__ import annotations

from typing import Final

CHECKOUT: Final = "Checkout is temporarily unavailable. Please try again later."
PORTAL: Final = "Billing portal is temporarily unavailable. Please try again later."
RESTORE: Final = "Restore is temporarily unavailable. Please try again later."
BILLING: Final = "Billing is temporarily unavailable. Please try again later."
"""For a failure where it isn't known whether the user wanted Checkout or the portal."""
STRIPE: Final = "Stripe is temporarily unavailable. Please try again later."
"""For operators; users are not told about Stripe."""
FORGETTING: Final = "Not everything was forgotten yet. Please repeat it later; it goes on where it stopped."
"""Told to operators and to the web app."""
SERVICE: Final = "Service is temporarily unavailable. Please try again later."
"""For routes without a text of their own."""
