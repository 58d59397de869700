"""A run that dies anywhere, and two at once: the next run ends with exactly one of each, and with a secret that works."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import stripe

from atlas_operator.stripe_setup.account import StripeAccount
from atlas_operator.stripe_setup.asked import Asked
from atlas_operator.stripe_setup.endpoint import fingerprint
from atlas_operator.stripe_setup.kept import Kept
from atlas_operator.stripe_setup.setup import Setup
from atlas_operator.stripe_setup.step import SetupStep
from support.stripe_accounts import KEY, FreshAccount, fresh_account

URL = "https://atlas.example/api/billing/stripe/webhook"
NEVER = 10**9
A_DAY = 25 * 60 * 60


class Died(BaseException):
    """The process was killed: nothing catches this."""


class Dying(StripeAccount):
    """Dies at the change of this number, before Stripe hears of it or after it has done it.

    Reads change nothing: to die at one is to die after the change before it, or before the one after it.
    """

    changes_left: int = NEVER
    after = False

    def _ask(self, method: str, *arguments: Any, **options: Any) -> Any:
        self.changes_left -= method != "get"
        dies = self.changes_left == 0 and method != "get"
        if dies and not self.after:
            raise Died
        answer = super()._ask(method, *arguments, **options)
        if dies:
            raise Died
        return answer


class DyingFile(Kept):
    """Dies before or after the write of this number."""

    def put(self, values: Any) -> None:
        DyingFile.writes_left -= 1
        if DyingFile.writes_left == 0 and not DyingFile.after:
            raise Died
        super().put(values)
        if DyingFile.writes_left == 0:
            raise Died

    writes_left: int = 0
    after = False


def asked(**changes: Any) -> Asked:
    given: dict[str, Any] = {
        "key": KEY, "base": None, "live": False, "url": URL, "amount": None, "currency": None, "price_id": None,
        "portal_id": None, "secrets": (),
    }  # fmt: skip
    return Asked(**{**given, **changes})


def run(account: FreshAccount, folder: Path, *, kind: type[StripeAccount] = StripeAccount, file: type[Kept] = Kept, **changes: Any) -> Setup:
    return Setup(asked(**changes), file(folder), kind(KEY, account.url, sleep=lambda _: None))


def assert_healed(account: FreshAccount, folder: Path, **changes: Any) -> None:
    """One of each, the file names them, the secret is that of the endpoint, and nothing is left to do."""
    [product], [price], [endpoint], [portal] = account.products(), account.prices(), account.endpoints(), account.configurations()
    kept = Kept(folder).values()
    assert price.product == product.id
    assert kept["STRIPE_WEBHOOK_ENDPOINT_ID"] == endpoint.id
    assert kept["STRIPE_PRICE_PRO_LIFETIME"] == price.id
    assert kept["STRIPE_BILLING_PORTAL_CONFIGURATION_ID"] == portal.id
    secret = kept["STRIPE_WEBHOOK_SECRET"].split(",")[0]
    assert fingerprint(secret) == endpoint.metadata["atlasSecret"]
    assert secret == account.signs_with(endpoint.id)
    assert all(step.action == "keep" for step in run(account, folder, **changes).plan())
    assert not (folder / ".env.stripe.partial").exists()


@pytest.fixture(scope="module")
def changes_of_a_whole_run(tmp_path_factory: pytest.TempPathFactory) -> int:
    with fresh_account() as account:
        work = run(account, tmp_path_factory.mktemp("whole"), kind=Dying)
        work.apply()
        return NEVER - work.account.changes_left


@pytest.mark.parametrize("after", [False, True], ids=["before Stripe hears of it", "after Stripe has done it"])
@pytest.mark.parametrize("later", [0, A_DAY], ids=["at once", "a day later"])
def test_a_run_killed_at_any_change_is_healed_by_the_next(changes_of_a_whole_run: int, after: bool, later: int, tmp_path: Path) -> None:
    assert changes_of_a_whole_run == 5, "product, price, endpoint, its mark, portal configuration"
    for number in range(1, changes_of_a_whole_run + 1):
        with fresh_account() as account:
            folder = tmp_path / str(number)
            folder.mkdir()
            work = run(account, folder, kind=Dying)
            work.account.changes_left, work.account.after = number, after
            with pytest.raises(Died):
                work.apply()
            assert len(account.posts()) == number - (not after)
            account.offset += later
            run(account, folder).apply()
            assert_healed(account, folder)


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("number", [1, 2])
@pytest.mark.parametrize("later", [0, A_DAY])
def test_a_run_killed_at_a_write_of_the_file_is_healed_by_the_next(number: int, after: bool, later: int, tmp_path: Path) -> None:
    with fresh_account() as account:
        DyingFile.writes_left, DyingFile.after = number, after
        with pytest.raises(Died):
            run(account, tmp_path, file=DyingFile).apply()
        account.offset += later
        run(account, tmp_path).apply()
        assert_healed(account, tmp_path)


def old_endpoint(account: FreshAccount, version: str = stripe.api_version) -> Any:
    return account.client.v1.webhook_endpoints.create({"url": URL, "enabled_events": ["*"], "api_version": version})


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("known", [False, True], ids=["secret unknown", "of another version"])
def test_a_replacement_killed_at_any_change_loses_no_endpoint(known: bool, after: bool, tmp_path: Path) -> None:
    for number in range(1, 7):
        with fresh_account() as account:
            folder = tmp_path / str(number)
            folder.mkdir()
            old = old_endpoint(account, "2024-06-20" if known else stripe.api_version)
            changes = {"secrets": (old.secret,)} if known else {}
            work = run(account, folder, kind=Dying, **changes)
            work.account.changes_left, work.account.after = number, after
            with pytest.raises(Died):
                work.apply()
            there = {each.id for each in account.endpoints()}
            assert there, "at every moment there is an endpoint"
            if old.id not in there:
                assert {Kept(folder).values()["STRIPE_WEBHOOK_ENDPOINT_ID"]} == there, "the old one goes last"
            run(account, folder, **changes).apply()
            assert_healed(account, folder, **changes)
            assert account.endpoints()[0].id != old.id


@pytest.mark.parametrize("effect", [False, True], ids=["nothing happened", "it had happened"])
def test_an_answer_500_that_stripe_repeats_for_a_day_keeps_nobody_from_being_set_up(effect: bool, tmp_path: Path) -> None:
    """At each POST in turn: with an effect, Stripe has made the object and repeats the 500 for its key."""
    for number in range(1, 8):
        with fresh_account() as account:
            folder = tmp_path / f"{number}"
            folder.mkdir()
            work = Setup(asked(), Kept(folder), Failing(KEY, account.url, sleep=lambda _: None))
            work.account.account, work.account.at, work.account.effect = account, number, effect
            try:
                work.apply()
            except Exception as refused:
                assert "500" in str(refused) and "whsec_" not in str(refused)
            run(account, folder).apply()
            assert_healed(account, folder)


class Failing(StripeAccount):
    """The POST of this number is answered 500 by Stripe, and so are the SDK's repetitions."""

    posts = 0

    def _ask(self, method: str, path: str, *arguments: Any, **options: Any) -> Any:
        if method == "post":
            self.posts += 1
            if self.posts == self.at:
                self.account.control("PUT", "/api", {"fail_next": 1, "after_effect": self.effect})
        return super()._ask(method, path, *arguments, **options)


def together(*works: Callable[[], Any]) -> list[Any]:
    """Run them at once; what each gave, or the error that ended it."""
    gate, results = threading.Barrier(len(works)), [None] * len(works)

    def begin(at: int, work: Callable[[], Any]) -> None:
        gate.wait()
        try:
            results[at] = work()
        except Exception as error:
            results[at] = error

    threads = [threading.Thread(target=begin, args=each) for each in enumerate(works)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return results


def test_two_runs_at_once_make_one_of_each(tmp_path: Path) -> None:
    for number in range(2):
        with fresh_account() as account:
            folder = tmp_path / str(number)
            folder.mkdir()
            account.control("PUT", "/api", {"latency_ms": 15})
            results = together(run(account, folder).apply, run(account, folder).apply, run(account, folder).apply)
            account.control("PUT", "/api", {})
            assert all(isinstance(result, list) and isinstance(result[0], SetupStep) for result in results), results
            assert_healed(account, folder)


def test_a_replacement_by_two_runs_at_once_ends_with_one_endpoint(tmp_path: Path) -> None:
    with fresh_account() as account:
        old = old_endpoint(account)
        account.control("PUT", "/api", {"latency_ms": 15})
        results = together(run(account, tmp_path).apply, run(account, tmp_path).apply)
        account.control("PUT", "/api", {})
        assert all(isinstance(result, list) for result in results), results
        assert_healed(account, tmp_path)
        assert account.endpoints()[0].id != old.id


def test_a_stale_secret_of_the_services_is_not_taken_for_that_of_an_endpoint_whose_own_was_lost(tmp_path: Path) -> None:
    """STRIPE_WEBHOOK_SECRET is of an earlier installation; the run died after the new endpoint was made."""
    changes = {"secrets": ("whsec_of_long_ago",)}
    with fresh_account() as account:
        DyingFile.writes_left, DyingFile.after = 1, False
        with pytest.raises(Died):
            run(account, tmp_path, file=DyingFile, **changes).apply()
        assert len(account.endpoints()) == 1
        run(account, tmp_path, **changes).apply()
        assert_healed(account, tmp_path, **changes)


@pytest.fixture
def lost_line(account: FreshAccount, line: Any, setup: Any) -> Any:
    setup.env(STRIPE_API_BASE=line.url)
    return line


@pytest.mark.parametrize("after", [False, True])
def test_a_single_lost_answer_is_asked_for_again_by_the_sdk_and_makes_nothing_twice(setup, account, lost_line, after, tmp_path):
    lost_line.stays_dead, lost_line.after = False, after
    for number in (5, 10, 16, 22):
        lost_line.count, lost_line.dies_at = 0, number
        done = setup("--apply")
        assert done.code == 0, done.err
        assert_healed(account, setup.folder)
        setup.use(_next_folder(tmp_path, number))  # the secret is lost: the endpoint is replaced under fire


def _next_folder(tmp_path: Path, number: int) -> Path:
    folder = tmp_path / f"folder-{number}"
    folder.mkdir()
    return folder


def test_a_line_that_stays_dead_ends_in_one_sentence_and_a_further_run_finishes(setup, account, lost_line):
    lost_line.dies_at, lost_line.after = 12, True
    done = setup("--apply")
    assert (done.code, done.out) == (1, "")
    assert "Stripe does not answer" in done.err and "it goes on where it stopped" in done.err and "Traceback" not in done.err
    lost_line.dies_at = 0
    assert setup("--apply").code == 0
    assert_healed(account, setup.folder)


def test_too_many_requests_are_waited_for(setup, account, monkeypatch):
    waited: list[float] = []
    monkeypatch.setattr(StripeAccount, "sleep", staticmethod(waited.append), raising=False)
    from atlas_operator.commands import stripe_account

    monkeypatch.setattr(stripe_account, "StripeAccount", lambda key, base: StripeAccount(key, base, sleep=waited.append))
    account.control("PUT", "/api", {"fail_next": 3, "status": 429})
    assert setup("--apply").code == 0
    assert len(waited) == 3
    assert_healed(account, setup.folder)
