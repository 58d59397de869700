"""`./atlas test` says at its start how long it will take."""

from __future__ import annotations

import pytest

from atlas_localstack.cli.test import announcement, remember


def test_the_first_run_hears_what_was_measured_elsewhere_the_next_what_the_last_one_took(tmp_path) -> None:
    assert "minutes (measured on two cores" in announcement("all", tmp_path)
    remember("all", 11.4, tmp_path)
    assert announcement("all", tmp_path).startswith("This takes about 11 minutes (as the last time here).")


@pytest.mark.parametrize(("minutes", "words"), [(0.001, "a second"), (0.5, "30 seconds"), (1.2, "a minute"), (2.6, "3 minutes")])
def test_it_is_said_in_words(tmp_path, minutes, words) -> None:
    remember("fast", minutes, tmp_path)
    assert announcement("fast", tmp_path) == f"This takes about {words} (as the last time here)."


def test_a_damaged_memory_or_a_folder_that_cannot_be_written_to_changes_nothing(tmp_path) -> None:
    (tmp_path / "all").write_text("soon")
    assert "measured" in announcement("all", tmp_path)
    (tmp_path / "file").write_text("")
    remember("all", 1, tmp_path / "file")
