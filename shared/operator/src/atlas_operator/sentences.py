"""What is said of a buyer, as plain text: one wording for the command line and the support desk."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from atlas_operator import money

Row = Mapping[str, Any]
NO_EFFECT = "recorded, changes nothing"
SAID = (("ticket", "ticket"), ("by", "operator"), ("approved by", "approvedBy"))
"""What is shown beside an operator's adjustment: a word, and the field that it stands before."""
FREE_SETTING = "BILLING_GRANT_FREE_CHECKOUTS"

BECAUSE: Mapping[str, str] = {
    "paid": "It is paid.",
    "refunded": "It was refunded in full.",
    "chargeback_lost": "The buyer's bank took the money back: the dispute is lost.",
    "suspended_by_dispute": "A dispute of it is open, and suspends Pro here until it is won.",
    "revoked_by_operator": "An operator ended what it grants.",
    "contradicting_user": "Two users are named as its buyer, so it grants to neither.",
    "ended_in_old_app": "It ended in the app from which it was imported.",
    "payment_pending": "The money is on its way: a bank debit takes up to four business days.",
    "payment_failed": "The bank did not pay: no money arrived.",
    "free_checkout": "A coupon made it free, and a free checkout doesn't grant here.",
    "not_paid": "The checkout was opened, and no payment of it is known here.",
    "no_user_in_metadata": "It names no user.",
    "other_product": "It is for another product.",
    "not_a_one_time_payment": "It is no one-time payment.",
    "made_by_a_payment_link": "It was paid through a payment link, which Atlas did not make.",
    "other_livemode": "It was paid in Stripe's other mode (test or live).",
    "other_user_than_recorded": "It names another user than the one who opened the checkout.",
    "other_currency_than_recorded": "It was paid in another currency than was asked.",
    "other_amount_than_recorded": "Another amount was paid than was asked.",
    "unknown_session": "Atlas did not open this checkout.",
    "other_currency": "It was paid in a currency that isn't accepted here.",
    "no_amount": "It has no amount.",
    "unknown_status": "Stripe gives it a status that this version does not know.",
}
"""Why a payment grants or doesn't: a sentence for each of explain's stable words."""

REMEDIES: Mapping[str, str] = {
    "refunded": "The money went back, so Pro ended. To have Pro again the buyer buys it again.",
    "chargeback_lost": "The buyer can ask their bank to withdraw the dispute, or buy Pro again.",
    "suspended_by_dispute": "Answer the dispute at Stripe; Pro comes back by itself when it is won.",
    "payment_pending": "Nothing to do: Pro begins by itself when the money arrives. The buyer must not pay twice.",
    "payment_failed": "Nothing was charged: the buyer can buy again, with a card for instance.",
    "not_paid": "If the buyer says that they paid, read their payments at Stripe: a lost webhook is made good by that.",
    "free_checkout": "If the buyer should have Pro, grant it.",
    "revoked_by_operator": "If that was a mistake, undo it.",
}
"""What to do about a payment that grants nothing, for the words of :data:`BECAUSE`; refused payments: see REVIEW."""

REVIEW = "A person has to decide: refund it at Stripe, or grant Pro if the buyer should have it."

NO_PAYMENT = "No payment is known here. If the buyer says that they paid, read their payments at Stripe."

PARKED = (
    "An event of theirs could not be processed: see Parked. Redrive it when its cause is gone; if the buyer should "
    "have Pro now, grant it."
)


def verdict(told: Row) -> str:
    """``ada is Pro: active through stripe, since 2026-11-26 12:00:00 UTC.``: the verdict without its version."""
    said = told.get("verdict", {})
    pro = "Pro" if said.get("isPro") else "not Pro"
    return f"{told.get('userId')} is {pro}{standing(said)}."


def standing(verdict: Row) -> str:
    """The end of the verdict's sentence: ``: active through stripe, since …``."""
    text = f": {verdict.get('status', 'none')}"
    if verdict.get("source"):
        text += f" through {verdict['source']}"
    if verdict.get("activeFrom"):
        text += f", since {when(verdict['activeFrom'])} UTC"
    if verdict.get("activeUntil"):
        text += f", until {when(verdict['activeUntil'])} UTC"
    return text


def reasons(told: Row) -> str:
    """Why the verdict is as it is, in one line: the verdict's sentence, and what each payment and each word came to."""
    said = [verdict(told)]
    for payment in in_order(told.get("payments", []), key="since"):
        what = "grants" if payment.get("grants") else "grants nothing"
        said.append(f"Payment {payment.get('id')} {what}: {payment.get('because', '')}.")
    said += [f"{capital(effect(fact))} (by {fact.get('via')})." for fact in told.get("adjustments", [])]
    return " ".join(said if len(said) > 1 else [*said, "Nothing that grants is known here."])


def because(word: object) -> str:
    """Why a payment grants or doesn't, as a sentence; a word that isn't known is shown as it is."""
    return BECAUSE.get(str(word), f"{capital(str(word or '').replace('_', ' '))}.")


def remedy(payment: Row) -> str:
    """What can be done about a payment that grants nothing; empty where nothing has to be."""
    if payment.get("grants"):
        return ""
    return REVIEW if payment.get("needsReview") else REMEDIES.get(str(payment.get("because")), "")


def advice(told: Row) -> list[str]:
    """What to do for a buyer who isn't Pro, payment by payment; empty for one who is."""
    if told.get("verdict", {}).get("isPro"):
        return []
    payments = told.get("payments", ())
    parked = [PARKED] if told.get("parked") else []
    said = parked + [remedy(payment) for payment in payments] if payments or parked else [NO_PAYMENT]
    return list(dict.fromkeys(sentence for sentence in said if sentence))


def effect(fact: Row) -> str:
    """The effect of a fact; for an operator's adjustment also why, for which ticket and by whom."""
    said, reason = str(fact.get("effect") or ""), str(fact.get("reason") or "")
    more = [reason] if reason not in said else []
    more += [f"{name} {fact[key]}" for name, key in SAID if fact.get(key)]
    return ", ".join([*([said] if said != NO_EFFECT else []), *more])


def amount(fact: Row) -> str:
    """The amount in a fact as text; empty if it has none."""
    told = fact.get("amount")
    if not isinstance(told, Mapping) or not isinstance(told.get("amount"), int) or not told.get("currency"):
        return ""
    return money.part(told["amount"], told.get("of"), str(told["currency"]))


def rejected(row: Row) -> str:
    """A fact that counts for nothing, and why."""
    fact = row.get("fact", {})
    name = f"{fact.get('type', '')} {fact.get('eventId', '')}" if isinstance(fact, Mapping) else str(fact)
    return f"{name.strip()}: {row.get('because', '')}"


def about(row: object) -> str:
    """Something that is pending, or a warning: what, since when, and of which payment."""
    if not isinstance(row, Mapping):
        return str(row)
    what = str(row.get("what", "")).replace("_", " ")
    since = row.get("since") or row.get("at")
    of = " of ".join(str(row[key]) for key in ("id", "payment") if row.get(key))
    return f"{what}{f' since {when(since)} UTC' if since else ''}: {of}"


def would_change(told: Row) -> list[str]:
    """What would change the verdict. A checkout that a coupon made free names the setting that would let it grant."""
    sentences = [about(row) for row in told.get("wouldChange", [])]
    free = [str(row.get("id")) for row in told.get("payments", []) if row.get("because") == "free_checkout"]
    if free and FREE_SETTING not in " ".join(sentences):
        sentences.append(f"With {FREE_SETTING}=true the free checkout {', '.join(free)} would grant Pro.")
    return sentences


def when(instant: object) -> str:
    """An instant of ours, always UTC, to the second."""
    return str(instant or "").replace("T", " ").partition(".")[0].removesuffix("Z")


def capital(text: str) -> str:
    """The text with its first letter as a capital."""
    return text[:1].upper() + text[1:]


def in_order(rows: Iterable[Any], key: str) -> list[Any]:
    """The rows by the instant under ``key``, oldest first; those without one come first."""
    return sorted(rows, key=lambda row: str(row.get(key) or "") if isinstance(row, Mapping) else "")
