"""Who makes a request: the holder of a session that a one-time link began, or whom the proxy in front names."""

from __future__ import annotations

import getpass
import hashlib
import hmac
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from starlette.requests import Request

from atlas_operator.desk.errors import NotAllowed, NotSignedIn
from atlas_operator.desk.person import Role, StaffMember, Visit, role_of
from atlas_operator.desk.settings import DeskSettings
from atlas_operator.files import write_json

COOKIE = "atlas-desk"
SESSION_SECONDS = 12 * 3600
"""A working day: whoever comes back tomorrow asks for a new link."""
MOST_SESSIONS = 100
TOKEN_BYTES = 16
"""128 bits can't be guessed, and the link fits into one line of a terminal."""
LINK_PATH = "/sign-in"
EMAIL_HEADER, SECRET_HEADER = "x-forwarded-email", "x-desk-proxy-secret"


class Entrance(Protocol):
    """Tells who makes a request."""

    def visit(self, request: Request) -> Visit:
        """Raises NotSignedIn, or NotAllowed for somebody who is on no list."""
        ...


@dataclass(frozen=True, slots=True)
class _Session:
    csrf: str
    ends: float


class Links:
    """One link at a time signs in one browser; a used link is replaced. Sessions are forgotten when the desk ends.

    ``tell`` gets each new link. Whoever can read where it is told may read this installation's keys as well, so the
    link makes an approver.
    """

    def __init__(self, url: str, tell: Callable[[str], None], clock: Callable[[], float] = time.time) -> None:
        self._url, self._tell, self._clock = url, tell, clock
        self._person = StaffMember(_here(), Role.APPROVER)
        self._sessions: dict[str, _Session] = {}
        self._token = ""
        self._lock = threading.Lock()

    def offer(self) -> None:
        """Make a new link and tell it; the one before it is worth nothing from now on."""
        self._token = secrets.token_urlsafe(TOKEN_BYTES)
        self._tell(f"{self._url}{LINK_PATH}?link={self._token}")

    def enter(self, token: str) -> str:
        """The cookie's value for whoever comes with the link. Raises NotSignedIn for a used or wrong one."""
        with self._lock:
            if not self._token or not hmac.compare_digest(_digest(token), _digest(self._token)):
                raise NotSignedIn("This link was used before, or is not the newest one.")
            self.offer()
            self._forget_ended()
            session = secrets.token_urlsafe(TOKEN_BYTES)
            self._sessions[_digest(session)] = _Session(
                secrets.token_urlsafe(TOKEN_BYTES), self._clock() + SESSION_SECONDS
            )
        return session

    def leave(self, request: Request) -> None:
        """End the session of this browser."""
        self._sessions.pop(_digest(request.cookies.get(COOKIE, "")), None)

    def visit(self, request: Request) -> Visit:
        session = self._sessions.get(_digest(request.cookies.get(COOKIE, "")))
        if session is None or session.ends <= self._clock():
            raise NotSignedIn
        return Visit(self._person, session.csrf)

    def _forget_ended(self) -> None:
        now = self._clock()
        kept = [(key, session) for key, session in self._sessions.items() if session.ends > now]
        self._sessions = dict(kept[-MOST_SESSIONS + 1 :])


class Proxy:
    """A proxy in front signs people in and names them in a header, with a secret that only it and the desk know."""

    def __init__(self, settings: DeskSettings) -> None:
        assert settings.desk_proxy_secret is not None, "validated by the settings"
        self._secret = settings.desk_proxy_secret.get_secret_value()
        self._settings = settings

    def visit(self, request: Request) -> Visit:
        given, emails = request.headers.getlist(SECRET_HEADER), request.headers.getlist(EMAIL_HEADER)
        if len(given) != 1 or not hmac.compare_digest(_digest(given[0]), _digest(self._secret)):
            raise NotSignedIn
        if len(emails) != 1 or not (email := emails[0].strip().lower()):
            raise NotSignedIn
        lists = self._settings
        role = role_of(email, lists.desk_viewers, lists.desk_agents, lists.desk_approvers)
        if role is None:
            raise NotAllowed("Your e-mail address is on no list of the people who may use this desk.")
        return Visit(StaffMember(email, role), self._csrf(email))

    def _csrf(self, email: str) -> str:
        """The same in every process of the desk, so that a form may be answered by another one."""
        return hmac.new(self._secret.encode(), f"csrf {email}".encode(), hashlib.sha256).hexdigest()


def write_link(path: Path) -> Callable[[str], None]:
    """Tells a link by replacing a file, which only its owner may read: ``{"sign_in_url": …}``."""
    return lambda link: write_json(path, {"sign_in_url": link})


def _digest(text: str) -> str:
    """Of one length whatever the text, so that a comparison tells nothing; any text of a header can be compared."""
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()


def _here() -> str:
    """Who signs in by the link, as facts name them: the account that this process runs as."""
    try:
        return f"{getpass.getuser()}@localhost".lower()
    except (KeyError, OSError):  # a container's user has no name
        return "desk@localhost"
