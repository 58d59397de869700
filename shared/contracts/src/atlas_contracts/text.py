"""Text that comes from outside, as it may be shown: on a terminal, in a log, in a table."""

from __future__ import annotations

_FILLERS = (
    "\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u2800\u3164\uffa0"
    + "".join(map(chr, range(0xFE00, 0xFE10)))  # variation selectors
    + "".join(map(chr, range(0xE0100, 0xE01F0)))
)
"""Characters that Unicode counts among letters and marks, and that are drawn as nothing."""
_UNSEEN = frozenset(_FILLERS)
_NAMED = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


def is_invisible(character: str) -> bool:
    """Whether a reader sees nothing of it, or sees what isn't there: white space (the plain space too), control,
    zero-width and bidirectional characters, lone surrogates, fillers.
    """
    return character == " " or not character.isprintable() or character in _UNSEEN


def visible(text: str) -> str:
    r"""``text`` with everything invisible but the plain space written out: ``\n``, ``\x1b``, ``\u202e``.

    What is left can neither steer a terminal nor turn the direction of a line nor make a second line of it. It may
    still look like some tool's markup: whoever prints through one says that this is text.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(c if c == " " or not is_invisible(c) else _escaped(c) for c in text)


def _escaped(character: str) -> str:
    code = ord(character)
    if character in _NAMED:
        return _NAMED[character]
    if code <= 0xFF:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"
