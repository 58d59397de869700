"""Tables: whole ids everywhere, one line per row where no terminal is."""

from __future__ import annotations

import io
import re

from rich.console import Console

from atlas_operator.terminal import table

LONG = "evt_" + "x" * 60


def shown(rows: list[list[table.Cell]], width: int | None = None) -> str:
    written = io.StringIO()
    console = Console(
        file=written, force_terminal=width is not None, width=width, color_system=None, soft_wrap=True, markup=False
    )
    table.show(("id", "reason", "event"), rows, console=console)
    return written.getvalue()


def test_without_a_terminal_each_row_is_one_line_of_whole_values() -> None:
    lines = shown([[LONG, "a reason of some words", LONG + "2"], ["evt_2", "", "two\nlines\tand a tab"]]).splitlines()
    assert len(lines) == 3
    assert [re.split(r" {2,}", line) for line in lines] == [
        ["id", "reason", "event"],
        [LONG, "a reason of some words", LONG + "2"],
        ["evt_2", "–", "two\\nlines\\tand a tab"],
    ]
    assert "\t" not in "".join(lines)


def test_at_a_terminal_of_eighty_columns_no_id_is_cut_or_folded() -> None:
    out = shown([[LONG, "reason", LONG + "2"]], width=80)
    assert [line for line in out.splitlines() if LONG + "2" in line] == [f"    event {LONG}2"]
    assert any(line.startswith(LONG) for line in out.splitlines())


def test_a_value_wider_than_the_terminal_stays_in_one_piece() -> None:
    assert LONG in shown([[LONG, "reason", "evt"]], width=20)


def test_what_fits_stands_in_columns() -> None:
    assert shown([["evt_1", "why", "evt_2"]], width=80).splitlines()[1] == "evt_1  why     evt_2"
