"""What somebody types into "Find a buyer"."""

from __future__ import annotations

import pytest

from atlas_operator.desk.query import Kind, understand


@pytest.mark.parametrize(
    ("typed", "kind"),
    [
        ("", Kind.NOTHING),
        ("  \t ", Kind.NOTHING),
        ("ada@example.com", Kind.EMAIL),
        (" Ada.Love+1@Example.COM ", Kind.EMAIL),
        ("two@at@example.com", Kind.UNUSABLE),
        ("@", Kind.UNUSABLE),
        ("ada@exa mple.com", Kind.UNUSABLE),
        *((f"{kind}_1AbC", Kind.STRIPES) for kind in ("pi", "cs_test", "ch", "py", "re", "dp", "du", "cus", "in", "evt")),
        ("plink_1AbC", Kind.LINK),
        ("issfr_1AbC", Kind.WARNING),
        ("ABCD1234-0001", Kind.OURS),
        ("user-7", Kind.OURS),
        ("cm9x2k8f40000", Kind.OURS),
        ("a\u202eb", Kind.UNUSABLE),
        ("a\nb", Kind.UNUSABLE),
        ("x" * 300, Kind.UNUSABLE),
    ],
)
def test_what_was_typed_is_told_apart(typed: str, kind: Kind) -> None:
    assert understand(typed).kind is kind


@pytest.mark.parametrize("typed", ["ABCD1234-0001", "INV-2026/17", "abcd1234-0001"])
def test_an_invoices_number_may_look_like_a_user(typed: str) -> None:
    assert understand(typed).may_be_invoice


@pytest.mark.parametrize("typed", ["ada", "it's 1", "x' OR number:'1", "pi_1"])
def test_what_no_invoice_is_called_is_not_asked_as_one(typed: str) -> None:
    assert not understand(typed).may_be_invoice
