"""A promotion: `./atlas promote` leaves its wish in a file, the supervisor fulfils it and writes the outcome there."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass

from atlas_localstack.servers.errors import ServerError
from atlas_localstack.stack.databases import Databases
from atlas_localstack.stack.home import Home
from atlas_operator.files import read_json, write_json

LOOK_SECONDS = 0.1


@dataclass(frozen=True)
class Promotion:
    """A wish by its id, and what came of it."""

    id: str
    ended: bool = False
    primary: str = ""
    """The new primary's name; empty where nothing was changed, for the reason in `refusal`."""
    refusal: str = ""
    remedy: str = ""


def write(home: Home, promotion: Promotion) -> None:
    """Replace the file."""
    write_json(home.promotion_file, asdict(promotion))


def read(home: Home) -> Promotion | None:
    """The last wish, or its outcome."""
    kept = read_json(home.promotion_file)
    return Promotion(**kept) if isinstance(kept, dict) else None


class Promotions:
    """The supervisor's side."""

    def __init__(
        self,
        home: Home,
        databases: Databases,
        healthy: Callable[[str], bool],
        stop: Callable[[str], Awaitable[None]],
        changed: Callable[[], None],
    ) -> None:
        self._home, self._databases = home, databases
        self._healthy, self._stop, self._changed = healthy, stop, changed

    async def follow(self) -> None:
        """Fulfil one wish after another, until cancelled."""
        self._home.promotion_file.unlink(missing_ok=True)
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            wish = read(self._home)
            if wish is not None and not wish.ended:
                write(self._home, await self._fulfil(wish))

    async def _fulfil(self, wish: Promotion) -> Promotion:
        try:
            promoted = await self._databases.promote(self._healthy, self._stop)
        except ServerError as error:
            return Promotion(wish.id, ended=True, refusal=error.message, remedy=error.remedy)
        self._changed()
        return Promotion(wish.id, ended=True, primary=promoted)
