"""How a process that starts loads its modules: in half the processor time that plain imports take."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

ABSENT_IN_IMAGES = ("rich", "httpx")
"""No service has these in its image. Where they are installed beside it, for the command line and for tests, structlog
and stripe would load them: a quarter of a service's start, for what it never uses."""


@contextmanager
def loading(*, without: Sequence[str] = ()) -> Iterator[None]:
    """Around the imports of a ``__main__``, or of the command that was asked for.

    What they make stays until the process ends, so nothing is searched for garbage meanwhile or later (a sixth of a
    start). Importing what it is ``without`` fails in the block, as where it isn't installed.
    """
    missing = [name for name in without if name not in sys.modules]
    gc.disable()
    sys.modules.update(dict.fromkeys(missing))  # type: ignore[arg-type] # None there is Python's own way to say so
    try:
        yield
    finally:
        for name in missing:
            del sys.modules[name]
        gc.freeze()
        gc.enable()
