"""A service's NDJSON answer as a progress bar."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Protocol

from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from atlas_operator.terminal.console import errors


class Advance(Protocol):
    """Shows how much is done, and of how much where that is known; ``title``: what is done now, where that changed."""

    def __call__(self, done: int, total: int | None = None, title: str | None = None) -> None: ...


@contextlib.contextmanager
def bar(title: str) -> Iterator[Advance]:
    """Show a bar on stderr. Yields a function to call with the amount done, and the total if it is known."""
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=errors, transient=True) as progress:
        task = progress.add_task(title, total=None)

        def step(done: int, total: int | None = None, title: str | None = None) -> None:
            progress.update(task, completed=done, total=total, description=title)

        yield step
