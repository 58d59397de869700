"""Stripe's test cards and test payment methods, and the result of paying with each.

No label or meaning contains "pay", so that "Pay" finds only the one button of the hosted page that pays.
"""

from __future__ import annotations

from dataclasses import dataclass

from stripe_sandbox.resources.payment_methods import Buyer

VISA = Buyer()


@dataclass(frozen=True, slots=True)
class Decline:
    """The error code, the decline code where there is one, and the sentence for the buyer."""

    code: str
    decline_code: str | None
    message: str


DECLINED = "Your card was declined."
DECLINES = {
    "generic_decline": Decline("card_declined", "generic_decline", DECLINED),
    "insufficient_funds": Decline("card_declined", "insufficient_funds", "Your card has insufficient funds."),
    "lost_card": Decline("card_declined", "lost_card", DECLINED),
    "stolen_card": Decline("card_declined", "stolen_card", DECLINED),
    "fraudulent": Decline("card_declined", "fraudulent", DECLINED),
    "expired_card": Decline("expired_card", None, "Your card has expired."),
    "incorrect_cvc": Decline("incorrect_cvc", None, "Your card's security code is incorrect."),
    "processing_error": Decline(
        "processing_error", None, "An error occurred while processing your card. Try again in a little bit."
    ),
}


@dataclass(frozen=True, slots=True)
class TestCard:
    """A card number that the page accepts, the API's names for the same card, and the result of paying with it.

    ``common``: shown on the page at once; the others are shown after a click.
    """

    number: str
    outcome: str
    label: str
    meaning: str
    buyer: Buyer = VISA
    methods: tuple[str, ...] = ()
    common: bool = False

    @property
    def digits(self) -> str:
        return self.number.replace(" ", "")


def declining(number: str, reason: str, label: str, meaning: str, *methods: str, common: bool = False) -> TestCard:
    """A card that the bank refuses."""
    buyer = Buyer(last4=number[-4:], decline_code=reason)
    return TestCard(number, "declined", label, meaning, buyer, methods, common)


def charged(number: str, label: str, meaning: str, after: str, *methods: str, common: bool = False) -> TestCard:
    """A card that works at first."""
    return TestCard(number, "paid", label, meaning, Buyer(last4=number[-4:], after=after), methods, common)


def branded(number: str, brand: str, *methods: str) -> TestCard:
    """A card of another brand."""
    return TestCard(number, "paid", brand.capitalize(), "Succeeds.", Buyer(brand=brand, last4=number[-4:]), methods)


CARDS = (
    TestCard(
        "4242 4242 4242 4242",
        "paid",
        "Succeeds",
        "The money moves at once.",
        methods=("pm_card_visa", "pm_card_us"),
        common=True,
    ),
    declining(
        "4000 0000 0000 0002",
        "generic_decline",
        "Declined",
        "The bank says no; try another card.",
        "pm_card_visa_chargeDeclined",
        "pm_card_chargeDeclined",
        common=True,
    ),
    declining(
        "4000 0000 0000 9995",
        "insufficient_funds",
        "No funds",
        "Declined for insufficient funds.",
        "pm_card_visa_chargeDeclinedInsufficientFunds",
        "pm_card_chargeDeclinedInsufficientFunds",
        common=True,
    ),
    TestCard(
        "4000 0000 0000 0077",
        "processing",
        "Bank debit",
        "Arrives, or fails, days later: decide it in the control room.",
        Buyer().by_bank(),
        ("pm_usBankAccount_success",),
        common=True,
    ),
    charged(
        "4000 0000 0000 0259",
        "Disputed",
        "Succeeds; the cardholder disputes it as fraudulent.",
        "dispute",
        "pm_card_createDispute",
        common=True,
    ),
    charged(
        "4000 0000 0000 2685",
        "Disputed",
        "Succeeds; disputed as never received.",
        "dispute_not_received",
        "pm_card_createDisputeProductNotReceived",
    ),
    charged(
        "4000 0000 0000 1976", "Inquiry", "Succeeds; the bank asks first.", "inquiry", "pm_card_createDisputeInquiry"
    ),
    charged(
        "4000 0000 0000 5423",
        "Fraud warning",
        "Succeeds; the card network warns early.",
        "fraud_warning",
        "pm_card_createIssuerFraudRecord",
    ),
    charged(
        "4000 0000 0000 5126",
        "Refund fails",
        "Succeeds; a refund succeeds, then bounces.",
        "refund_fails",
        "pm_card_refundFail",
    ),
    charged(
        "4000 0000 0000 7726",
        "Refund waits",
        "Succeeds; a refund is pending, then succeeds.",
        "refund_waits",
        "pm_card_pendingRefund",
    ),
    declining(
        "4000 0000 0000 9987", "lost_card", "Lost", "Declined: reported lost.", "pm_card_visa_chargeDeclinedLostCard"
    ),
    declining(
        "4000 0000 0000 9979",
        "stolen_card",
        "Stolen",
        "Declined: reported stolen.",
        "pm_card_visa_chargeDeclinedStolenCard",
    ),
    declining(
        "4000 0000 0000 0069", "expired_card", "Expired", "Declined: expired.", "pm_card_chargeDeclinedExpiredCard"
    ),
    declining(
        "4000 0000 0000 0127",
        "incorrect_cvc",
        "Wrong CVC",
        "Declined: wrong security code.",
        "pm_card_chargeDeclinedIncorrectCvc",
    ),
    declining(
        "4000 0000 0000 0119",
        "processing_error",
        "Error",
        "Declined: the bank had an error.",
        "pm_card_chargeDeclinedProcessingError",
    ),
    declining("4100 0000 0000 0019", "fraudulent", "Blocked", "Blocked as the highest risk.", "pm_card_radarBlock"),
    branded("5555 5555 5555 4444", "mastercard", "pm_card_mastercard"),
    branded("3782 822463 10005", "amex", "pm_card_amex"),
    branded("6011 1111 1111 1117", "discover", "pm_card_discover"),
)
BY_NUMBER = {card.digits: card for card in CARDS}
BY_METHOD = {method: card for card in CARDS for method in card.methods}
