"""What can't be set up is said in one sentence, before anything is made; nothing of it is a secret."""

from __future__ import annotations

import fcntl
import json
import os
from pathlib import Path

import pytest
import stripe

from atlas_operator.stripe_setup.account import StripeAccount
from support.stripe_accounts import KEY, fresh_account

URL = "https://atlas.example/api/billing/stripe/webhook"


def refused(done, said: str) -> None:
    """Exit code 1, as for any error of this command: 2 means that a plan has changes."""
    assert (done.code, done.out) == (1, ""), (done.out, done.err)
    assert said in done.err and "Traceback" not in done.err and KEY not in done.err and "whsec_" not in done.err
    assert sum(line.startswith("✗") for line in done.err.splitlines()) == 1


@pytest.fixture
def nobody_is_asked(monkeypatch):
    monkeypatch.setattr(StripeAccount, "_ask", lambda *_, **__: pytest.fail("Stripe was asked"))


@pytest.mark.parametrize("key", ["sk_live_canary", "rk_live_canary"])
@pytest.mark.parametrize("arguments", [(), ("--apply",)])
def test_a_live_key_needs_live_as_well_and_is_shown_to_nobody_before(setup, nobody_is_asked, key, arguments):
    setup.env(STRIPE_SECRET_KEY=key, STRIPE_API_BASE=None)
    refused(setup(*arguments), "--live")


def test_a_live_key_goes_to_stripe_only(setup, nobody_is_asked):
    setup.env(STRIPE_SECRET_KEY="sk_live_canary")
    refused(setup("--live"), "unset STRIPE_API_BASE")


def test_live_with_a_test_key_is_a_mistake(setup, nobody_is_asked):
    refused(setup("--live", "--apply"), "the key is a test key")


@pytest.mark.parametrize("key", ["pk_test_published", "sk_test_", "whsec_1", "nonsense"])
def test_what_is_no_secret_key_is_not_sent_anywhere(setup, nobody_is_asked, key):
    setup.env(STRIPE_SECRET_KEY=key)
    refused(setup(), "STRIPE_SECRET_KEY is no Stripe secret key")


def test_without_a_key_and_a_stack_it_says_what_to_set(setup, nobody_is_asked):
    setup.env(STRIPE_SECRET_KEY=None, STRIPE_API_BASE=None)
    refused(setup(), "Set STRIPE_SECRET_KEY")


@pytest.mark.parametrize("url", ["atlas.example/webhook", "ftp://atlas.example/x", "https://", "https://a b.example/x", "https://user:pw@atlas.example/x", "https://atlas.example/#x", "https://atlas.example:99999/x", "https://atlas.example/" + "x" * 3000, "https://atlas.example/\x1b[31m", "https://[::1/x"])
def test_a_bad_url_is_refused(setup, nobody_is_asked, url):
    refused(setup("--apply", url=url), "--url")


def test_without_a_url_and_a_stack_it_says_what_to_give(setup, nobody_is_asked):
    refused(setup(url=None), "Say --url https://")


def test_stripe_itself_is_not_asked_to_send_to_this_machine_nor_in_live_mode_without_tls(setup, nobody_is_asked):
    setup.env(STRIPE_API_BASE=None)
    refused(setup(url="http://127.0.0.1:8001/webhook"), "cannot reach 127.0.0.1")
    setup.env(STRIPE_SECRET_KEY="sk_live_canary")
    refused(setup("--live", url="http://atlas.example/webhook"), "https only")


@pytest.mark.parametrize(("option", "value"), [("--amount", "0"), ("--amount", "-1"), ("--amount", "49.00"), ("--amount", "1" * 9), ("--amount", "٣"), ("--currency", "dollars"), ("--currency", "u$d"), ("--currency", ""), ("--currency", "xyz")])
def test_a_bad_amount_or_currency_is_refused(setup, nobody_is_asked, option, value):
    refused(setup(f"{option}={value}", "--apply"), option)


# What Stripe says.


def test_a_key_that_stripe_does_not_know(setup):
    setup.env(STRIPE_SECRET_KEY="sk_test_another_one")
    refused(setup(), "Stripe refuses the key")


RIGHTS = {
    "products:read": "Products: Read", "products:write": "Products: Write", "prices:read": "Prices: Read",
    "prices:write": "Prices: Write", "webhook_endpoints:read": "Webhook Endpoints: Read",
    "webhook_endpoints:write": "Webhook Endpoints: Write", "billing_portal_configurations:read": "Customer Portal: Read",
    "billing_portal_configurations:write": "Customer Portal: Write",
}  # fmt: skip


@pytest.mark.parametrize("wording", ["2026", "2025"])
def test_a_restricted_key_is_told_each_permission_that_it_lacks_and_goes_on_with_it(setup, account, wording):
    for right, named in RIGHTS.items():
        account.control("PUT", "/permissions", {"deny": [right], "wording": wording})
        done = setup("--apply")
        refused(done, "lacks the permission")
        label, level = named.split(": ")
        assert level in done.err and (label in done.err or wording == "2026"), done.err
        account.control("PUT", "/permissions", {"deny": []})
    assert setup("--apply").code == 0
    assert [len(found) for found in (account.products(), account.prices(), account.endpoints(), account.configurations())] == [1] * 4


def test_a_price_that_is_not_there_and_one_that_cannot_be_pros(setup, account):
    setup.env(STRIPE_PRICE_PRO_LIFETIME="price_nowhere")
    refused(setup("--apply"), "price_nowhere, which does not exist in test mode")
    product = account.client.v1.prices.retrieve("price_sandbox").product
    monthly = account.client.v1.prices.create(
        {"product": product, "unit_amount": 900, "currency": "usd", "recurring": {"interval": "month"}, "lookup_key": "atlas_pro_lifetime"}
    )
    setup.env(STRIPE_PRICE_PRO_LIFETIME=None)
    refused(setup("--apply"), f"{monthly.id} is recurring")
    setup.env(STRIPE_PRICE_PRO_LIFETIME=monthly.id)
    refused(setup("--apply"), f"{monthly.id} is recurring")
    assert account.products() == [] and account.endpoints() == []


def test_a_portal_configuration_that_is_not_there(setup, account):
    setup.env(STRIPE_BILLING_PORTAL_CONFIGURATION_ID="bpc_nowhere")
    refused(setup("--apply"), "bpc_nowhere, which does not exist in test mode")
    assert account.posts() == []


def test_sixteen_endpoints_are_all_that_stripe_allows(setup, account):
    ids = [account.client.v1.webhook_endpoints.create({"url": f"https://atlas.example/{n}", "enabled_events": ["*"]}).id for n in range(16)]
    with pytest.raises(stripe.InvalidRequestError, match="maximum of 16"):
        account.client.v1.webhook_endpoints.create({"url": URL, "enabled_events": ["*"]})
    refused(setup("--apply"), "maximum of 16")
    account.client.v1.webhook_endpoints.delete(ids[0])
    assert setup("--apply").code == 0, "although Stripe repeats its refusal for the first key"
    assert len(account.endpoints()) == 16


# The file.


def test_a_folder_in_which_nothing_can_be_written_is_said_before_anything_is_made(setup, account):
    setup.use(Path("/sys"))
    done = setup("--apply")
    refused(done, "nothing was made at Stripe")
    assert account.posts() == []
    assert setup().code == 2, "a plan writes nothing"


def test_a_symbolic_link_is_not_followed(setup, account, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text("STRIPE_WEBHOOK_SECRET=whsec_of_another\n")
    setup.file.symlink_to(elsewhere)
    refused(setup("--apply"), "is a symbolic link")
    refused(setup(), "is a symbolic link")
    assert account.posts() == [] and elsewhere.read_text() == "STRIPE_WEBHOOK_SECRET=whsec_of_another\n"


@pytest.mark.parametrize(
    "make",
    [Path.mkdir, os.mkfifo, lambda path: path.write_bytes(b"\xff\xfe"), lambda path: path.write_bytes(b"A=\0"), lambda path: path.write_bytes(b"#" * 1_000_001)],
    ids=["a directory", "a pipe", "no text", "a zero byte", "far too large"],
)
def test_what_is_no_file_of_variables_is_left_alone(setup, account, make):
    make(setup.file)
    refused(setup("--apply"), ".env.stripe")
    assert account.posts() == []


def test_a_file_that_may_not_be_read_is_said(setup, account, monkeypatch):
    setup.file.write_text("A=1\n")
    setup.file.chmod(0)
    if os.geteuid() == 0:  # root may read everything
        real = os.open

        def forbidding(path, *rest, **more):
            if str(path) == str(setup.file):
                raise PermissionError(13, "Permission denied")
            return real(path, *rest, **more)

        monkeypatch.setattr(os, "open", forbidding)
    refused(setup("--apply"), "cannot be read")
    assert account.posts() == []


def test_a_directory_in_the_place_of_the_partial_file_is_said_before_anything_is_made(setup, account):
    (setup.folder / ".env.stripe.partial").mkdir()
    refused(setup("--apply"), "nothing was made at Stripe")
    assert account.posts() == []


def test_what_a_killed_run_left_and_a_link_in_its_place_are_thrown_away(setup, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text("mine")
    (setup.folder / ".env.stripe.partial").symlink_to(elsewhere)
    assert setup("--apply").code == 0
    assert elsewhere.read_text() == "mine" and not (setup.folder / ".env.stripe.partial").exists()


def test_lines_of_others_stay_and_the_file_becomes_private(setup):
    setup.file.write_text("# mine\r\nOTHER='a b'\nexport STRIPE_WEBHOOK_SECRET=\nSTRIPE_PRICE_PRO_LIFETIME_OLD=x\nLAST=1")
    setup.file.chmod(0o644)
    assert setup("--apply").code == 0
    text = setup.file.read_bytes().decode()
    assert text.startswith("# mine\r\nOTHER='a b'\nSTRIPE_PRICE_PRO_LIFETIME_OLD=x\nLAST=1\n")
    assert text.count("STRIPE_WEBHOOK_SECRET=") == 1
    assert setup.file.stat().st_mode & 0o777 == 0o600
    assert setup.kept["OTHER"] == "a b"


def test_the_file_is_private_from_its_first_byte_whatever_the_umask(setup, monkeypatch):
    modes = []
    real = os.open

    def watched(path, flags, mode=0o777, **more):
        handle = real(path, flags, mode, **more)
        if flags & os.O_CREAT and ".env.stripe" in str(path):
            modes.append(os.fstat(handle).st_mode & 0o777)
        return handle

    former = os.umask(0)
    try:
        monkeypatch.setattr(os, "open", watched)
        assert setup("--apply").code == 0
    finally:
        os.umask(former)
    assert len(modes) >= 3 and set(modes) == {0o600}


def test_a_secret_that_would_break_the_file_is_refused_without_being_shown(setup, account, monkeypatch):
    real = StripeAccount._ask

    def hostile(self, method, path, *rest, **options):
        answer = real(self, method, path, *rest, **options)
        if method == "post" and path == "/v1/webhook_endpoints":
            return {**answer, "secret": "whsec_canary\nPATH=/evil"}
        return answer

    monkeypatch.setattr(StripeAccount, "_ask", hostile)
    done = setup("--apply")
    refused(done, "cannot be kept")
    assert "canary" not in done.err and "evil" not in done.err and "PATH" not in setup.kept


# The running stack.


@pytest.fixture
def stack(setup, monkeypatch, tmp_path):
    """What a running stack leaves in its folder: enough to be found by the command line."""
    with fresh_account("sk_test_sandbox1") as sandbox:
        home = tmp_path / "stack"
        (home / "run").mkdir(parents=True)
        url = "http://127.0.0.1:8001/api/billing/stripe/webhook"
        made = sandbox.client.v1.webhook_endpoints.create({"url": url, "enabled_events": ["*"], "api_version": stripe.api_version})
        told = {
            "sandbox": {"url": sandbox.url, "secret_key": "sk_test_sandbox1", "price_id": "price_sandbox"},
            "webhook": {"url": url, "secret": made.secret}, "services": {},
        }  # fmt: skip
        for name, content in (("stack.json", told), ("ports.json", {"nats": 1}), ("run/operator.json", {"internal_auth_secret": "x"})):
            (home / name).write_text(json.dumps(content))
        setup.env(STRIPE_SECRET_KEY=None, STRIPE_API_BASE=None)
        monkeypatch.setenv("ATLAS_HOME", str(home))
        with (home / "run" / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield sandbox


def test_the_running_stacks_sandbox_webhook_and_secret_are_what_is_meant(setup, stack):
    done = setup("--apply", url=None)
    assert done.code == 0, done.err
    assert done.actions["webhook endpoint"] == "change", "only its events"
    [endpoint] = stack.client.v1.webhook_endpoints.list().data
    assert "STRIPE_WEBHOOK_SECRET" not in setup.kept and len(endpoint.enabled_events) == 16
    assert setup(url=None).code == 0


def test_the_stacks_secret_is_not_taken_for_that_of_another_url(setup, stack):
    assert setup("--apply", url="https://other.example/webhook").actions["webhook endpoint"] == "create"
    assert setup.kept["STRIPE_WEBHOOK_SECRET"].startswith("whsec_")
    setup.file.unlink()
    assert setup(url="https://other.example/webhook").actions["webhook endpoint"] == "change", "nobody has its secret now"


def test_a_sandbox_that_does_not_run_is_said(setup, nobody_is_asked):
    setup.env(STRIPE_SECRET_KEY="sk_test_sandbox1", STRIPE_API_BASE=None)
    refused(setup(), "not running")
