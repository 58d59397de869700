"""The example Next.js app in front of a stack of its own, as docs/nextjs.md puts it there."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import psycopg
import pytest
from playwright.sync_api import Browser, BrowserContext, Page
from psycopg.sql import SQL, Identifier, Literal

from support.chromium import chromium, mark_as_clicking
from support.embedded import embedded_postgres
from support.next_app import EXAMPLE, Listener, NextApp, WebShopper, free_origin, installed_app
from support.servers import Postgres
from support.stack import Stack, running_stack

READER, IMPORTER = "atlas_billing_reader", "atlas_billing_importer"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The first of these waits for the build."""
    mark_as_clicking(items, Path(__file__).parent, pytest.mark.timeout(600))


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """Embedded also where there is Docker: a container that starts or ends would disturb whoever clicks beside."""
    with embedded_postgres() as server:
        yield server


@dataclass(frozen=True)
class WebDatabase:
    """The web app's database: the owner's DSN, and those of the guide's roles for the gateway and for the import."""

    owner: str
    reader: str
    importer: str


@pytest.fixture(scope="session")
def web_database(postgres: Postgres) -> Iterator[WebDatabase]:
    """A database as the existing app has it, and the roles of the guide, made with the guide's SQL."""
    owner = postgres.create_database()
    password = secrets.token_hex(8)
    with psycopg.connect(owner, autocommit=True) as connection:
        connection.execute((Path(__file__).parent / "tables.sql").read_text())
        for role, file in ((READER, "reader-role.sql"), (IMPORTER, "importer-role.sql")):
            connection.execute((EXAMPLE / "sql" / file).read_text())
            connection.execute(SQL("ALTER ROLE {} PASSWORD {}").format(Identifier(role), Literal(password)))
    at = urlsplit(owner)
    reader, importer = (
        at._replace(netloc=f"{role}:{password}@{at.hostname}:{at.port}").geturl() for role in (READER, IMPORTER)
    )
    yield WebDatabase(owner, reader, importer)
    with psycopg.connect(owner, autocommit=True) as connection:
        connection.execute(f"DROP OWNED BY {READER}, {IMPORTER}; DROP ROLE {READER}, {IMPORTER}")


@pytest.fixture(scope="session")
def origin() -> str:
    """Where the app will be: the stack has to know before the app runs."""
    return free_origin()


@pytest.fixture(scope="session")
def stack(web_database: WebDatabase, origin: str) -> Iterator[Stack]:
    """A stack that is configured as docs/nextjs.md says."""
    settings = {
        "NEXTAUTH_URL": origin,
        "NEXTAUTH_SESSION_STRATEGY": "database",
        "ATLAS_DATABASE_URL": web_database.reader,
        "ATLAS_SIGN_IN_URL": "/sign-in?callbackUrl=",
    }
    with running_stack(settings) as running:
        yield running


@pytest.fixture(scope="session")
def built(
    stack: Stack, web_database: WebDatabase, origin: str, tmp_path_factory: pytest.TempPathFactory
) -> NextApp:
    """The app, installed and built once."""
    environ = {
        "NEXTAUTH_URL": origin,
        "NEXTAUTH_SECRET": secrets.token_hex(32),
        "DATABASE_URL": web_database.owner,
        "ATLAS_GATEWAY_URL": stack.url("account-gateway"),
        "ATLAS_CHECKOUT_URL": stack.url("checkout"),
        "EXAMPLE_SIGN_IN": "true",
    }
    environ["INTERNAL_SIGNING_KEY"] = (stack.home / "keys" / "atlas-web.json").read_text()
    app = installed_app(tmp_path_factory.mktemp("next"), origin, environ)
    app.build()
    return app


@pytest.fixture(scope="session")
def app(built: NextApp) -> Iterator[NextApp]:
    """The app, running where the stack believes it to be."""
    with built.running():
        yield built


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One for each module: Playwright's loop must not be left running in the thread of asynchronous tests."""
    with chromium() as running:
        yield running


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    """A fresh profile; an error in a page's script fails the test, and so does a hydration that does not match."""
    fresh = browser.new_context(viewport={"width": 1280, "height": 800})
    fresh.set_default_timeout(15_000)
    errors: list[str] = []
    fresh.on("weberror", lambda error: errors.append(str(error.error)))
    yield fresh
    fresh.close()
    assert not errors


@pytest.fixture
def page(context: BrowserContext) -> Page:
    return context.new_page()


@pytest.fixture
def visitor(stack: Stack, app: NextApp, web_database: WebDatabase, context: BrowserContext, page: Page) -> WebShopper:
    """Somebody who isn't signed in."""
    return WebShopper(stack, context, page, app=app, database=web_database.owner)


@pytest.fixture
def shopper(visitor: WebShopper) -> WebShopper:
    """A signed-in user that nobody else is."""
    return visitor.sign_in()


@pytest.fixture
def dropped(stack: Stack) -> Iterator[None]:
    """No webhook arrives."""
    sandbox = f"{stack.url('sandbox')}/_sandbox/delivery"
    assert httpx.put(sandbox, json={"mode": "drop"}).is_success
    yield
    assert httpx.put(sandbox, json={"mode": "normal"}).is_success


@pytest.fixture(scope="session", autouse=True)
def listener(app: NextApp) -> Iterator[Listener]:
    """Begins before the first test, so that nobody waits for half a minute of quiet."""
    form = {"email": "listener@example.com", "callbackUrl": "/account"}
    signed_in = httpx.post(f"{app.origin}/api/sign-in", data=form, headers={"origin": app.origin})
    following = Listener(app.origin + "/api/pro/entitlement/stream", signed_in.headers["set-cookie"].partition(";")[0])
    thread = threading.Thread(target=following.listen, daemon=True)
    thread.start()
    yield following
    following.enough.set()
