"""Rows for people and for programs. No value is ever cut, and none is broken over two lines by us.

At a terminal: columns, as far as they fit; what doesn't fit stands below its row. Anywhere else: one line per row,
columns separated by two or more spaces.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from atlas_contracts.text import visible
from atlas_operator.terminal.console import columns, out, put

GAP = 2
INDENT = 4
NOTHING = "–"
MARK = "● "

Cell = str | tuple[str, str]


def show(
    headings: Sequence[str], rows: Sequence[Sequence[Cell]], *, console: Console = out, headed: bool = True
) -> None:
    """Print a table.

    Args:
        headings: each column's name; also what stands before a value that does not fit into its row.
        rows: each cell as text, or as text with its style; empty text is shown as a dash.
        console: where to.
        headed: whether the headings are printed above the columns.

    """
    told = [[_cell(cell) for cell in row] for row in rows]
    widths = [max(map(cell_len, (name, *(row[at][0] for row in told)))) for at, name in enumerate(headings)]
    if not console.is_terminal:
        everything = [[(name, "") for name in headings], *told] if headed else told
        for row in everything:
            console.print(_aligned(row, widths))
        return
    width = columns(console)
    fit = _fitting(widths, width)
    if headed:
        console.print(_aligned([(name, "bold") for name in headings[:fit]], widths))
    for row in told:
        console.print(_aligned(row[:fit], widths))
        for text in _below(headings[fit:], row[fit:], width):
            put(console, text)


def _cell(cell: Cell) -> tuple[str, str]:
    text, style = (cell, "") if isinstance(cell, str) else cell
    return visible(text) or NOTHING, style


def _fitting(widths: Sequence[int], width: int) -> int:
    """How many of the first columns fit beside each other; at least one."""
    total = 0
    for count, wide in enumerate(widths):
        total += wide + (GAP if count else 0)
        if total > width:
            return max(count, 1)
    return len(widths)


def _aligned(row: Sequence[tuple[str, str]], widths: Sequence[int]) -> Text:
    text = Text()
    for at, (value, style) in enumerate(row):
        last = at == len(row) - 1
        marked = 1 if value.startswith(MARK) else len(value)  # colour belongs to the mark: words stay readable
        text.append(value[:marked], style).append(value[marked:])
        text.append("" if last else " " * (widths[at] - cell_len(value) + GAP))
    return text


def _below(headings: Sequence[str], row: Sequence[tuple[str, str]], width: int) -> Iterator[Text]:
    """What doesn't fit, a line each; a value that doesn't fit behind its heading stands below it."""
    for heading, (value, style) in zip(headings, row, strict=True):
        if value == NOTHING:
            continue
        name = f"{heading} " if heading else ""
        if " " not in value and INDENT + cell_len(name + value) > width:
            yield Text(" " * INDENT + name.rstrip())
            yield Text(" " * max(0, min(2 * INDENT, width - cell_len(value)))).append(value, style)
        else:
            yield Text.assemble(" " * INDENT, name, (value, style))
