"""Tables: whole ids everywhere, one line per row where no terminal is."""

from __future__ import annotations

import io
import re

import pytest
from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from atlas_operator.terminal import table
from atlas_operator.terminal.console import broken
from support.stack import WORKSPACE

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


@pytest.mark.parametrize("width", [40, 80, 120])
@pytest.mark.parametrize(
    "word", ["pi_" + "x" * 24, "cs_test_" + "x" * 58, "stripe:evt_" + "x" * 24 + ":purchase_succeeded"]
)
def test_a_sentence_at_a_terminal_ends_its_lines_between_words(word: str, width: int) -> None:
    sentence = (
        f"  · A refund in full of {word} would end it, or a lost dispute of {word}, whatever an operator says of {word}"
    )
    lines = [text.plain for text in broken(Text(sentence), width)]
    assert " ".join(" ".join(lines).split()) == " ".join(sentence.split()), "nothing is lost"
    assert all(len(line) <= max(width, len(word) + 4) for line in lines)
    assert sum(line.count(word) for line in lines) == 3, "no id is broken"
    if len(word) + 4 <= width:
        assert all(line.startswith("    ") for line in lines[1:]), "further lines stand below the first word"
        assert max(map(len, lines)) <= width


def test_wide_characters_count_for_the_cells_that_they_take() -> None:
    lines = [text.plain for text in broken(Text("購入者 " * 30), 20)]
    assert max(map(cell_len, lines)) <= 20 and len(lines) > 8


def test_styles_stay_where_they_were() -> None:
    [first, second] = broken(Text.assemble("x" * 30, " ", ("y" * 30, "bold")), 40)
    assert (first.plain, second.plain) == ("x" * 30, "y" * 30)
    assert [(span.start, span.end, span.style) for span in second.spans] == [(0, 30, "bold")]


def test_a_value_that_does_not_fit_behind_its_heading_stands_below_it_whole() -> None:
    event = "stripe:evt_" + "x" * 24 + ":checkout.session.async_payment_succeeded"
    lines = shown([[LONG, "reason", event]], width=80).splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[-1].strip() == event and lines[-2] == "    event"


def test_colour_belongs_to_the_mark_and_words_keep_the_terminals_own() -> None:
    written = io.StringIO()
    console = Console(file=written, force_terminal=True, width=80, color_system="standard", markup=False)
    table.show(("part", "health"), [["nats", ("● down", "red")]], console=console)
    assert "\x1b[31m●\x1b[0m down" in written.getvalue()


def test_no_style_is_hard_to_read_on_white_or_says_something_by_itself() -> None:
    for package in ("operator", "localstack"):
        for path in (WORKSPACE / "shared" / package / "src").rglob("*.py"):
            text = path.read_text()
            found = re.findall(r"""(?:"|\[)((?:bold )?(?:yellow|dim|bright_\w+|white|cyan))(?:"|\])""", text)
            assert found == [], path
