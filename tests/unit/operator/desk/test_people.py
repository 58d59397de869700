"""Who may come in, and what they may do."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
from starlette.requests import Request

from atlas_kit.process.settings import ConfigurationError, load
from atlas_operator.desk.errors import NotAllowed, NotSignedIn
from atlas_operator.desk.person import Action, Role, StaffMember
from atlas_operator.desk.settings import DeskSettings
from atlas_operator.desk.sign_in import SESSION_SECONDS, Links, Proxy, write_link
from support.desk import PEOPLE, SECRET

PROXY = {"DESK_AUTH": "proxy", "DESK_PROXY_SECRET": SECRET, "DESK_URL": "https://desk.example", **PEOPLE}
READS = {Action.READ_PAYMENTS, Action.REDRIVE}


def request(*headers: tuple[str, str], **cookies: str) -> Request:
    sent = [*headers, *((("cookie", "; ".join(f"{k}={v}" for k, v in cookies.items())),) if cookies else ())]
    return Request({"type": "http", "headers": [(name.encode(), value.encode("latin-1")) for name, value in sent]})


@pytest.mark.parametrize(
    ("role", "may"), [(Role.VIEWER, set()), (Role.AGENT, READS), (Role.APPROVER, set(Action))]
)
def test_each_role_may_do_this_and_no_more(role: Role, may: set[Action]) -> None:
    assert {action for action in Action if StaffMember("a@b.c", role).may(action)} == may


@pytest.mark.parametrize(
    ("email", "role"),
    [("VERA@support.example", Role.VIEWER), ("agnes@support.example", Role.AGENT), (" Petra@SUPPORT.example ", Role.APPROVER)],
)
def test_the_proxys_word_is_believed_whatever_the_capitals(email: str, role: Role) -> None:
    person = Proxy(load(DeskSettings, PROXY)).visit(request(("x-forwarded-email", email), ("x-desk-proxy-secret", SECRET))).person
    assert (person.role, person.email) == (role, email.strip().lower())


def test_the_highest_of_several_lists_counts() -> None:
    settings = load(DeskSettings, {**PROXY, "DESK_APPROVERS": "VERA@support.example"})
    visit = Proxy(settings).visit(request(("x-forwarded-email", "vera@support.example"), ("x-desk-proxy-secret", SECRET)))
    assert visit.person.role is Role.APPROVER


EMAIL = ("x-forwarded-email", "petra@support.example")


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [EMAIL],
        [("x-desk-proxy-secret", SECRET)],
        [EMAIL, ("x-desk-proxy-secret", "")],
        [EMAIL, ("x-desk-proxy-secret", SECRET + "x")],
        [EMAIL, ("x-desk-proxy-secret", SECRET[:-1])],
        [EMAIL, ("x-desk-proxy-secret", "\xff")],
        [EMAIL, ("x-desk-proxy-secret", "wrong"), ("x-desk-proxy-secret", SECRET)],
        [("x-forwarded-email", "vera@support.example"), EMAIL, ("x-desk-proxy-secret", SECRET)],
        [("x-forwarded-email", " "), ("x-desk-proxy-secret", SECRET)],
    ],
)
def test_a_header_without_the_one_secret_signs_nobody_in(headers: list[tuple[str, str]]) -> None:
    with pytest.raises(NotSignedIn):
        Proxy(load(DeskSettings, PROXY)).visit(request(*headers))


def test_somebody_on_no_list_may_not_come_in() -> None:
    with pytest.raises(NotAllowed):
        Proxy(load(DeskSettings, PROXY)).visit(request(("x-forwarded-email", "eve@support.example"), ("x-desk-proxy-secret", SECRET)))


class Desk:
    """Links as the desk keeps them, with a clock that a test sets."""

    def __init__(self) -> None:
        self.links: list[str] = []
        self.now = 1000.0
        self.entrance = Links("http://127.0.0.1:1", self.links.append, lambda: self.now)
        self.entrance.offer()

    @property
    def token(self) -> str:
        return self.links[-1].partition("?link=")[2]


def test_a_link_makes_one_session_and_is_replaced() -> None:
    desk = Desk()
    used = desk.token
    cookie = desk.entrance.enter(used)
    assert desk.entrance.visit(request(**{"atlas-desk": cookie})).person.role is Role.APPROVER
    with pytest.raises(NotSignedIn):
        desk.entrance.enter(used)
    assert desk.entrance.enter(desk.token) != cookie


@pytest.mark.parametrize("token", ["", "x", "\ud800", "a" * 10_000])
def test_what_is_no_link_uses_none_up(token: str) -> None:
    desk = Desk()
    with pytest.raises(NotSignedIn):
        desk.entrance.enter(token)
    assert len(desk.links) == 1
    desk.entrance.enter(desk.token)


def test_a_session_ends_after_a_working_day_and_when_it_is_left() -> None:
    desk = Desk()
    first, second = (request(**{"atlas-desk": desk.entrance.enter(desk.token)}) for _ in range(2))
    desk.entrance.leave(first)
    with pytest.raises(NotSignedIn):
        desk.entrance.visit(first)
    desk.now += SESSION_SECONDS - 1
    desk.entrance.visit(second)
    desk.now += 1
    with pytest.raises(NotSignedIn):
        desk.entrance.visit(second)


def test_the_file_with_the_link_is_its_owners_alone(tmp_path: Path) -> None:
    write_link(tmp_path / "desk.json")("http://x/sign-in?link=1")
    assert json.loads((tmp_path / "desk.json").read_text()) == {"sign_in_url": "http://x/sign-in?link=1"}
    assert (tmp_path / "desk.json").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"DESK_URL": "https://desk.example"}, "DESK_AUTH: must be proxy when DESK_URL is https"),
        ({"DESK_AUTH": "proxy"}, "DESK_PROXY_SECRET: is required when DESK_AUTH is proxy"),
        ({"DESK_AUTH": "proxy", "DESK_PROXY_SECRET": "short"}, "DESK_PROXY_SECRET: must have at least 8 characters"),
        ({"DESK_AUTH": "none"}, "DESK_AUTH: "),
        ({"DESK_APPROVERS": "petra, paul@support.example"}, "DESK_APPROVERS: must be e-mail addresses, comma-separated"),
        ({"DESK_URL": "https://desk.example/path", "DESK_AUTH": "proxy"}, "DESK_URL: must be an origin"),
        ({"DESK_TWO_PEOPLE": "maybe"}, "DESK_TWO_PEOPLE: "),
    ],
)
def test_wrong_settings_are_refused_in_words_and_no_secret_is_shown(given: Mapping[str, str], said: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        load(DeskSettings, dict(given))
    assert said in str(refused.value)
    assert given.get("DESK_PROXY_SECRET", "nothing secret") not in str(refused.value)
