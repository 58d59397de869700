"""`.env.stripe`: the secrets and ids that setting up learns, for the operator to hand to the services.

Readable by its owner only from its first byte, replaced at once, and never reached through a symbolic link. Lines of
others stay. Values are never part of an error.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import stat
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

from dotenv import dotenv_values

from atlas_operator.errors import CallFailed
from atlas_operator.files import OWNER_ONLY
from atlas_operator.local import WORKSPACE

NAME = ".env.stripe"
HEADER = (
    "# Written by ./atlas stripe setup. Holds secrets. Nothing reads this file by itself: hand it to the services.\n"
)
LARGEST = 1_000_000
"""Bytes; more is no file of variables."""
LOCK_SECONDS = 15.0
VALUE = re.compile(r"[A-Za-z0-9_.,:/+=-]+")
"""What needs no quotes in such a file."""
FRESH = b"#" * 4096
"""What is written to find out whether there is room."""


@dataclass(frozen=True)
class Kept:
    """The file in a folder; the one beside `./atlas` unless a test says otherwise."""

    folder: Path = WORKSPACE

    @property
    def path(self) -> Path:
        return self.folder / NAME

    @property
    def exists(self) -> bool:
        return self.path.exists()

    def values(self) -> dict[str, str]:
        """What it holds. Raises CallFailed for a file that can't be read."""
        read = dotenv_values(stream=StringIO(self._text()), interpolate=False)
        return {name: value.strip() for name, value in read.items() if value and value.strip()}

    def prove_writable(self) -> None:
        """Raises CallFailed where nothing could be kept; asked before anything is made that can't be made twice."""
        self.values()
        try:
            with self._locked():
                self._partial(FRESH)
                self._left_over.unlink()
        except OSError as error:
            raise CallFailed(
                f"{self.path} cannot be written ({_why(error)}), and Stripe tells a secret only once."
                " Make the folder writable; nothing was made at Stripe."
            ) from None

    def put(self, values: Mapping[str, str]) -> None:
        """Set these variables, durably. Raises CallFailed."""
        for name, value in values.items():
            if not VALUE.fullmatch(value):
                raise CallFailed(f"Stripe's {name} has characters that cannot be kept in {self.path}.")
        try:
            with self._locked():
                self._partial(_with(self._text(), values).encode())
                self._left_over.replace(self.path)
                _flushed(self.folder)
        except OSError as error:
            raise CallFailed(
                f"{self.path} cannot be written ({_why(error)}). Make it writable and run ./atlas stripe setup again."
            ) from None

    @property
    def _left_over(self) -> Path:
        return self.folder / f"{NAME}.partial"

    def _partial(self, content: bytes) -> None:
        """The new content beside the file; what a killed run left there is thrown away."""
        self._left_over.unlink(missing_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
        with os.fdopen(os.open(self._left_over, flags, OWNER_ONLY), "wb") as partial:
            partial.write(content)
            partial.flush()
            os.fsync(partial.fileno())

    def _text(self) -> str:
        try:
            # Non-blocking: opening a pipe would wait for somebody to write into it.
            handle = os.open(self.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except FileNotFoundError:
            return ""
        except OSError as error:
            link = error.errno == errno.ELOOP
            why = "is a symbolic link: secrets would go where it leads" if link else f"cannot be read ({_why(error)})"
            raise CallFailed(f"{self.path} {why}. Move it away; nothing was changed.") from None
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            os.close(handle)
            raise CallFailed(f"{self.path} is no ordinary file. Move it away; nothing was changed.")
        with os.fdopen(handle, "rb") as file:
            content = file.read(LARGEST + 1)
        try:
            text = content.decode()
        except UnicodeDecodeError:
            text = "\0"
        if "\0" in text or len(content) > LARGEST:
            raise CallFailed(f"{self.path} is no file of variables. Move it away; nothing was changed.")
        return text

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """One writer at a time: two runs at once keep each other's lines."""
        folder = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            deadline = time.monotonic() + LOCK_SECONDS
            while True:
                try:
                    fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() > deadline:
                        raise
                    time.sleep(0.02)
            yield
        finally:
            os.close(folder)


def _with(text: str, values: Mapping[str, str]) -> str:
    """The text with these variables set in place of their former lines, everything else as it was."""
    names = "|".join(map(re.escape, values))
    former = re.compile(rf"\s*(?:export\s+)?(?:{names})\s*=")
    lines = [line for line in text.splitlines(keepends=True) if not former.match(line)]
    if lines and not lines[-1].endswith("\n"):
        lines.append("\n")
    return "".join([*(lines or [HEADER]), *(f"{name}={value}\n" for name, value in values.items())])


def _flushed(folder: Path) -> None:
    """The folder's entry on disk as well."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _why(error: OSError) -> str:
    return error.strerror or type(error).__name__
