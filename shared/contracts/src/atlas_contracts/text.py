"""Makes text from outside safe to show: on a terminal, in a log, in a table."""

from __future__ import annotations

_FILLERS = (
    "\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u2800\u3164\uffa0"
    + "".join(map(chr, range(0xFE00, 0xFE10)))  # variation selectors
    + "".join(map(chr, range(0xE0100, 0xE01F0)))
)
"""Characters that Unicode counts as letters or marks, but that are invisible."""
_UNSEEN = frozenset(_FILLERS)
_NAMED = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


def is_invisible(character: str) -> bool:
    """Whether the character is invisible or changes how others are shown: white space (also the plain space), control,
    zero-width and bidirectional characters, lone surrogates, fillers.
    """
    return character == " " or not character.isprintable() or character in _UNSEEN


def visible(text: str) -> str:
    r"""``text`` with everything invisible, except the plain space, as escape sequences: ``\n``, ``\x1b``, ``\u202e``.

    The result can't control a terminal, change a line's direction or add a line. It may still look like the markup of
    a tool (rich, for instance); callers that print with such a tool must tell it that this is plain text.
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
