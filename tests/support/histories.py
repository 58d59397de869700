"""Random histories of facts, and the properties that every fold must have over them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict
from random import Random
from typing import Any

from atlas_contracts.billing import Provider, Via
from entitlements.domain.policy import Policy
from entitlements.domain.verdict import NOTHING_KNOWN
from support.facts import Dispute, Purchase, Refund, Told, grant, revoke
from support.folding import Fold
from support.imported import imported
from support.oracle import DISPUTE_STATUSES, REFUND_STATUSES, Rules, reviews, verdicts

USERS = ("ada", "bob", "cyd")
HORIZON = 12
"""Seconds that a history spans: so few that much happens in the same one."""

MakeFold = Callable[[Policy | None], Fold]


def random_policy(chance: Random) -> Policy:
    return Policy(
        grant_free_checkouts=chance.random() < 0.3,
        suspend_on_dispute=chance.random() < 0.3,
        require_known_session=chance.random() < 0.15,
    )


def random_history(chance: Random, most: int = 20) -> list[Told]:
    """Facts about a few users, in no order: some of them false friends (other product, payment link, other amount)."""
    history: list[Told] = []
    numbers = iter(chance.sample(range(10**6, 10**7), 200))
    for user in USERS[: chance.choice((1, 1, 2, 3))]:
        for _ in range(chance.choice((1, 1, 1, 2, 3))):
            history += _purchase(chance, user, numbers)
        if chance.random() < 0.25:
            for number in range(chance.choice((1, 2, 3))):
                act = chance.choice((grant, revoke))
                history.append(act(user, chance.randrange(HORIZON), f"key-{user}-{number}"))
        if chance.random() < 0.3:
            history += _imported(chance, user)
    return history[:most] if len(history) > most else history


def _purchase(chance: Random, user: str, numbers: Any) -> list[Told]:
    def event_id() -> str:
        return f"evt_{next(numbers)}"

    def moment() -> int:
        return chance.randrange(HORIZON)

    odd: dict[str, Any] = {}
    if chance.random() < 0.12:
        odd = chance.choice(
            (
                {"payment_link": "plink_1"},
                {"metadata": {"userId": user, "productKey": "stickers"}},
                {"metadata": {}},
                {"currency": "eur"},
                {"currency": "eur", "amount_subtotal": 899},
                {"amount_subtotal": 999, "amount_total": 1099},
                {"mode": "setup"},
            )
        )
    buy = Purchase(user, chance.choice((999, 1000, 10)), odd, next(numbers))
    facts: list[Told] = []
    if chance.random() < 0.3:
        offers = [{"amount": 899, "currency": "eur"}] if chance.random() < 0.4 else []
        facts.append(buy.recorded(offers=offers, **({"amount": 1} if chance.random() < 0.15 else {})))
    paying = chance.choice(("paid", "paid", "paid", "delayed", "delayed", "free", "none"))
    if paying == "paid":
        facts += [buy.paid(moment(), event_id()) for _ in range(chance.choice((1, 1, 2)))]
    elif paying == "delayed":
        facts.append(buy.pending(moment(), event_id()))
        if chance.random() < 0.7:
            settle = buy.settled if chance.random() < 0.6 else buy.bounced
            facts.append(settle(moment(), event_id()))
    elif paying == "free":
        facts.append(buy.free(moment(), event_id()))
    if chance.random() < 0.05:
        facts.append(buy.completed("paid_in_shells", moment(), event_id()))
    if paying == "paid" and chance.random() < 0.3:
        facts.append(buy.read(moment(), via=chance.choice((Via.CONFIRM, Via.RESTORE))))
    for _ in range(chance.choice((0, 0, 1, 1, 2))):
        facts += _refund(
            chance,
            buy.refund(
                chance.choice((buy.amount, buy.amount // 2 or 1)),
                payment_intent=chance.random() < 0.8,
                second_charge=chance.random() < 0.2,
            ),
            event_id,
        )
    for _ in range(chance.choice((0, 0, 0, 1, 2))):
        amount = chance.choice((buy.amount, buy.amount // 2))
        facts.append(
            buy.charge_refunded(moment(), amount, event_id(), second=chance.random() < 0.2)
            if chance.random() < 0.7
            else buy.charge_read(moment(), amount)
        )
    if paying == "paid" and chance.random() < 0.1:
        facts.append(buy.named(chance.choice(USERS), moment(), event_id()))
    for _ in range(chance.choice((0, 0, 0, 0, 1, 2))):
        action = chance.choice(("revoke_payment", "undo_revoke_payment"))
        facts.append(buy.by_operator(action, moment(), event_id()))
    if chance.random() < 0.1:
        facts.append(buy.fraud_warning(moment(), event_id()))
    for _ in range(chance.choice((0, 0, 1, 1, 2))):
        facts += _dispute(chance, buy.dispute(payment_intent=chance.random() < 0.8), event_id)
    return facts


def _imported(chance: Random, user: str) -> Iterable[Told]:
    """What another app says of a grant, once or as it changes its mind, in the same second too."""
    for _ in range(chance.choice((1, 1, 2, 3))):
        began = chance.randrange(HORIZON)
        ended = chance.randrange(began, HORIZON) if chance.random() < 0.4 else None
        source = chance.choice((Provider.MANUAL, Provider.IOS_IAP, Provider.ANDROID_IAP))
        yield imported(user, began, ended, as_of=chance.randrange(HORIZON), source=source)


def _refund(chance: Random, refund: Refund, event_id: Callable[[], str]) -> Iterable[Told]:
    statuses = chance.choices([*REFUND_STATUSES, "in_orbit"], k=chance.choice((1, 1, 2, 3)))
    for at, status in _walk(chance, statuses):
        yield refund.read(status, at) if chance.random() < 0.2 else refund.told(status, at, event_id=event_id())


def _dispute(chance: Random, dispute: Dispute, event_id: Callable[[], str]) -> Iterable[Told]:
    statuses = chance.choices([*DISPUTE_STATUSES, "won", "lost", "lost", "settled_by_oracle"], k=chance.choice((1, 2, 2, 3, 4)))
    for at, status in _walk(chance, statuses):
        yield dispute.read(status, at) if chance.random() < 0.2 else dispute.told(status, at, event_id=event_id())


def _walk(chance: Random, statuses: list[str]) -> Iterable[tuple[int, str]]:
    """Each status in its turn, told once or twice while it lasts."""
    bounds = sorted(chance.randrange(HORIZON) for _ in range(len(statuses) + 1))
    for status, start, end in zip(statuses, bounds, bounds[1:], strict=False):
        for _ in range(chance.choice((1, 1, 2))):
            yield chance.randint(start, max(start, end - 1)), status


def rules_of(policy: Policy) -> Rules:
    return Rules(policy.grant_free_checkouts, policy.suspend_on_dispute, policy.require_known_session, policy.currencies)


def check_against_oracle(fold: Fold, history: Iterable[Told], policy: Policy) -> None:
    """The independent second opinion says the same about every user."""
    history = list(history)
    expected = verdicts((one.data for one in history), rules_of(policy))
    found = {
        user: asdict(row.verdict) for user, row in fold.projection.entitlements.items() if row.verdict != NOTHING_KNOWN
    }
    assert found == expected, f"fold: {found}\noracle: {expected}\nhistory: {history}"
    money = reviews((one.data for one in history), rules_of(policy))
    assert fold.reviews() == money, f"fold: {fold.reviews()}\noracle: {money}\nhistory: {history}"


def check_history(history: list[Told], policy: Policy, chance: Random, make: MakeFold = Fold, tries: int = 3) -> None:
    """Order, repetition, prefix-then-rest, doors and users don't matter; versions grow only with the verdict."""
    doors = {one.data.event_id: one.through(chance.choice((Via.WEBHOOK, Via.PULL))) for one in history}
    first = make(policy)
    first.hear(*history)
    check_versions(first)
    check_against_oracle(first, history, policy)
    entries = [one.entry for one in history]
    for _ in range(tries):
        other = make(policy)
        shuffled = chance.sample(entries, len(entries))
        cut = chance.randint(0, len(shuffled))
        other.hear(*shuffled[:cut])
        if shuffled:  # a life may be without an event
            other.hear(*chance.choices(shuffled, k=min(5, len(shuffled))))
        other.hear(*chance.sample(shuffled, len(shuffled)))
        other.hear(*(one.entry for one in doors.values()))
        assert other.state() == first.state(), f"another order, another state: {shuffled}"
        check_versions(other)
        before = dict(other.projection.entitlements)
        other.hear(*shuffled)
        assert other.projection.entitlements == before, "known facts again changed something"
    for user in USERS:
        alone = make(policy)
        alone.hear(*(one for one in history if user in whose(one, history)))
        assert alone.verdict(user) == first.verdict(user), "another user's facts changed a verdict"


def check_versions(fold: Fold) -> None:
    """One version, one change, one different verdict."""
    by_user: dict[str, int] = {}
    for change in fold.changes:
        user = change.after.user_id
        assert change.after.verdict != change.before.verdict
        assert change.after.version == change.before.version + 1 == by_user.get(user, 0) + 1
        by_user[user] = change.after.version
    assert {user: row.version for user, row in fold.projection.entitlements.items()} == by_user


def whose(fact: Told, history: list[Told]) -> set[str | None]:
    """Everybody who is named for the purchase that a fact is about (an edited session names two)."""
    number = _number(fact)
    same = [one.data.user_id for one in history if number and _number(one) == number]
    return {fact.data.user_id, *same}


def _number(fact: Told) -> str | None:
    refs = fact.data.refs
    ids = (refs.payment_intent_id, refs.checkout_session_id, refs.charge_id)
    return next((one.partition("_")[2].rstrip("b") for one in ids if one), None)
