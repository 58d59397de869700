"""A service's NDJSON answer as a progress bar."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from atlas_operator.terminal.console import errors

Step = Callable[[int, int | None], None]


@contextlib.contextmanager
def bar(title: str) -> Iterator[Step]:
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

        def step(done: int, total: int | None = None) -> None:
            progress.update(task, completed=done, total=total)

        yield step
