"""Every command that the program has, with every kind of bad argument: the commands are asked of the program itself."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from typer.main import get_command

from atlas_localstack.cli.app import ABOUT, COMMANDS
from atlas_operator.command_line import build
from support.fake_operator import CommandLine, FakeOperator

GOOD = {
    "user": "ada", "name": "ada", "parked_id": "pk_1", "reason": "a gift", "names": "coach", "step": "begin", "service": "nats",
    "dsn": "postgresql://u@127.0.0.1:9/d",
}  # fmt: skip
"""A value for each required parameter; a further one needs a line here."""


def leaves(command: object, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], object]]:
    for name, inner in getattr(command, "commands", {}).items():
        yield from leaves(inner, (*path, name))
    if not getattr(command, "commands", {}):
        yield path, command


ALL = dict(leaves(get_command(build(COMMANDS, [], ABOUT))))
TYPED = {path: command for path, command in ALL.items() if not COMMANDS[path[0]].passes_on}


def required(command: object, without: str = "") -> list[str]:
    """The command's required parameters, with good values."""
    typed: list[str] = []
    for parameter in command.params:  # type: ignore[attr-defined]  # typer's commands are typed as objects
        if parameter.required and parameter.name != without:
            typed += [parameter.opts[0]] * (parameter.param_type_name == "option") + [GOOD[parameter.name]]
    return typed


def bad(command: object) -> Iterator[list[str]]:
    yield [*required(command), "--nonsense"]
    if not any(parameter.nargs == -1 for parameter in command.params):  # type: ignore[attr-defined]  # typer's commands are typed as objects
        yield [*required(command), "one", "too many"]
    for parameter in command.params:  # type: ignore[attr-defined]  # typer's commands are typed as objects
        option = parameter.param_type_name == "option"
        if parameter.required:
            yield required(command, parameter.name)
        if option and not parameter.is_flag:
            yield [*required(command, parameter.name), parameter.opts[0]]
        if parameter.name == "help" or getattr(parameter, "is_flag", False):
            continue
        number = parameter.type_descriptor.annotation in (int, float)
        values = ["many", "nan", "-1", "1e999"] if number else ["", "  "]
        for value in values:
            yield [*required(command, parameter.name), *([f"{parameter.opts[0]}={value}"] if option else ["--", value])]


CASES = [(*path, *arguments) for path, command in TYPED.items() for arguments in bad(command)]


def codes(arguments: tuple[str, ...]) -> tuple[int, ...]:
    """2, and of `stripe setup` 1 for what it refuses itself: 2 means there that a plan has changes."""
    return (1, 2) if arguments[:2] == ("stripe", "setup") else (2,)


def test_the_program_was_asked_for_every_command() -> None:
    assert {path[0] for path in ALL} == set(COMMANDS)
    assert {("keys", "make"), ("keys", "rotate"), ("stripe", "setup"), ("parked", "dismiss"), ("import", "project-atlas")} <= set(TYPED)


@pytest.mark.parametrize("arguments", CASES, ids=lambda arguments: ascii(" ".join(arguments))[:70])
def test_it_is_refused_in_one_sentence_with_its_exit_code(atlas: CommandLine, fake: FakeOperator, arguments: tuple[str, ...]) -> None:
    done = atlas(*arguments)
    assert done.code in codes(arguments), done
    assert done.out == ""
    assert done.err.startswith("✗ ")
    assert len(done.err.splitlines()) <= 2, "a sentence, and perhaps a remedy"
    assert "Traceback" not in done.err
    assert [path for method, path, _, _ in fake.asked if method == "POST"] == []


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("keys", "make", "Bad Name!"), "'Bad Name!' can't be a service's name"),
        (("keys", "rotate", "../coach", "begin"), "'../coach' can't be a service's name"),
        (("keys", "trusted", "a/b"), "'a/b' can't be a service's name"),
        (("keys", "rotate", "coach", "sideways"), "'begin', 'switch', 'end'."),
        (("stripe", "setup", "--url", "http://nope"), "Stripe cannot reach nope"),
        (("stripe", "setup", "--url", "http://localhost:1/x"), "Stripe cannot reach localhost"),
        (("stripe", "setup", "--currency", "xyz"), "--currency must be"),
        (("stripe", "setup", "--amount", "0"), "--amount must be"),
        (("import", "project-atlas", "mysql://x"), "DSN must be a Postgres URL"),
        (("shadow", "project-atlas", "mysql://x"), "DSN must be a Postgres URL"),
    ],
)
def test_a_value_that_can_not_be_meant_is_named(
    atlas: CommandLine, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], sentence: str
) -> None:
    monkeypatch.setenv("STRIPE_SECRET_KEY", "sk_test_51abc")
    monkeypatch.delenv("STRIPE_API_BASE", raising=False)
    done = atlas(*arguments)
    assert (done.code, done.out) == (codes(arguments)[0], "")
    assert sentence in done.err
    assert len(done.err.splitlines()) == 1


def test_a_rotation_that_was_never_begun_has_nothing_to_end(atlas: CommandLine, tmp_path: object) -> None:
    folder = ("--folder", str(tmp_path))
    assert atlas("keys", "make", "coach", *folder).code == 0
    done = atlas("keys", "rotate", "coach", "end", *folder)
    assert "nothing to end" in done.out
    for step in ("begin", "switch"):
        assert atlas("keys", "rotate", "coach", step, *folder).code == 0
    assert "trusted no more" in atlas("keys", "rotate", "coach", "end", *folder).out
