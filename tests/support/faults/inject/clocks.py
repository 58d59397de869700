"""A service's wall clock, ahead or behind by what a file says at this moment; its monotonic clock is left alone.

The file holds eight bytes, the seconds as a double, and is mapped into memory: whoever writes it moves the clock at
once. ``time.time`` and ``time.time_ns`` are replaced for everybody in the process (libraries included), and
``datetime.now`` in the modules of ours, as they are imported: the class itself is C, and others compare with it.
"""

import datetime
import mmap
import struct
import time

OURS = ("account_gateway", "webhook_ingest", "checkout", "entitlements", "atlas_kit", "atlas_contracts")


def install(path):
    """Let the clock of this process follow the file."""
    with open(path, "rb") as file:
        offset = mmap.mmap(file.fileno(), 8, access=mmap.ACCESS_READ)
    right, read = time.time, struct.Struct("<d").unpack_from

    def moved():
        return right() + read(offset)[0]

    time.time = moved
    time.time_ns = lambda: int(moved() * 1_000_000_000)


class MovedDatetime:
    """Stands for the class in a module of ours: the same in everything but ``now``."""

    def __call__(self, *arguments, **options):
        return datetime.datetime(*arguments, **options)

    def __getattr__(self, name):
        return getattr(datetime.datetime, name)

    def __instancecheck__(self, instance):
        return isinstance(instance, datetime.datetime)

    def now(self, tz=None):
        return datetime.datetime.fromtimestamp(time.time(), tz)


def change(module):
    """Called with each module of ours once it is executed."""
    if module.__dict__.get("datetime") is datetime.datetime:
        module.datetime = MovedDatetime()
