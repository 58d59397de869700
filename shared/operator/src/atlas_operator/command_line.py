"""Puts the operator's command line together. `./atlas` adds the commands of the local stack to it."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, NoReturn

import typer

from atlas_kit.process.loading import loading
from atlas_operator.errors import CallFailed, KeysRefused, NoTarget, NotUnderstood
from atlas_operator.terminal.console import EXIT_MISUNDERSTOOD, WRONG_MARK, remark


class Command(NamedTuple):
    """Where a command is defined, and where the help lists it."""

    module: str
    """Defines a function of the command's name, or a group of commands called `app`."""
    panel: str
    passes_on: bool = False
    """Whether arguments that are not options of ours are passed to the command unchanged."""


_COMMANDS, _PANEL, _MOVING = "atlas_operator.commands", "Looking after the money", "Moving in"
COMMANDS: Mapping[str, Command] = {
    "explain": Command(f"{_COMMANDS}.explain", _PANEL),
    "audit": Command(f"{_COMMANDS}.audit", _PANEL),
    "pull": Command(f"{_COMMANDS}.pull", _PANEL),
    "backfill": Command(f"{_COMMANDS}.backfill", _PANEL),
    "rebuild": Command(f"{_COMMANDS}.rebuild", _PANEL),
    "republish": Command(f"{_COMMANDS}.republish", _PANEL),
    "parked": Command(f"{_COMMANDS}.parked", _PANEL),
    "grant": Command(f"{_COMMANDS}.adjust", _PANEL),
    "revoke": Command(f"{_COMMANDS}.adjust", _PANEL),
    "forget": Command(f"{_COMMANDS}.forget", _PANEL),
    "export": Command(f"{_COMMANDS}.export", _PANEL),
    "doctor": Command(f"{_COMMANDS}.doctor", _PANEL),
    "stripe": Command(f"{_COMMANDS}.stripe_account", _PANEL),
    "keys": Command(f"{_COMMANDS}.keys", _PANEL),
    "import": Command(f"{_COMMANDS}.import_", _MOVING),
    "shadow": Command(f"{_COMMANDS}.shadow", _MOVING),
}
"""The operator's commands. For another one, add a module in `commands/` and a row here."""


def main() -> NoReturn:
    """`python -m atlas_operator`: the operator's commands alone."""
    run(COMMANDS, sys.argv[1:], "python -m atlas_operator", "Look after a running Atlas billing system.")


def run(
    commands: Mapping[str, Command],
    arguments: Sequence[str],
    name: str,
    about: str,
    mendable: tuple[type[Exception], ...] = (),
) -> NoReturn:
    """Run one command and leave with its exit code: 0, 1 for a failure, 2 for what was not understood.

    A failure that a person can mend is a sentence on stderr, not a traceback; ``mendable`` are the caller's own
    kinds of those beside the operator's.
    """
    expected: tuple[type[Exception], ...] = (NoTarget, KeysRefused, *mendable)
    try:
        code = build(commands, arguments, about)(list(arguments), prog_name=name, standalone_mode=False)
    except NotUnderstood as error:
        _leave(str(error), EXIT_MISUNDERSTOOD)
    except expected as error:
        _leave(str(error), 1)
    except CallFailed as error:
        _leave(str(error), EXIT_MISUNDERSTOOD if error.misunderstood else 1)
    except typer.Abort:
        _leave("Stopped.", 1)
    except typer.TyperException as error:  # what was typed is not understood
        # Empty where the help is printed already. Typer lists choices on lines of their own; a refusal is one sentence.
        said = " ".join(getattr(error, "format_message", lambda: "")().split()).replace("Value error, ", "")
        variable = getattr(getattr(error, "param", None), "envvar", None)
        if said.startswith("Missing argument") and variable:
            said = f"{said.rstrip('.')}; it may also come from {variable}"
        _leave(said.rstrip(".") + "." if said else "", EXIT_MISUNDERSTOOD)
    except BrokenPipeError:  # `./atlas logs … | head`
        sys.stderr.close()
        sys.exit(0)
    sys.exit(code if isinstance(code, int) else 0)


def build(commands: Mapping[str, Command], arguments: Sequence[str], about: str) -> typer.Typer:
    """The commands as one program. Only the command that is called is loaded: each brings libraries of its own."""
    program = typer.Typer(
        help=about,
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode="rich",
    )
    # A callback keeps this a group of commands even where a single one is loaded.
    program.callback()(lambda: None)
    called = arguments[0] if arguments and arguments[0] in commands else None
    for name in [called] if called else commands:
        _add(program, name, commands[name])
    return program


def _add(program: typer.Typer, name: str, command: Command) -> None:
    with loading():
        module = importlib.import_module(command.module)
    if hasattr(module, "app"):
        program.add_typer(module.app, name=name, rich_help_panel=command.panel)
        return
    settings: dict[str, Any] | None = None
    if command.passes_on:
        settings = {"allow_extra_args": True, "ignore_unknown_options": True}
    program.command(name, rich_help_panel=command.panel, context_settings=settings)(getattr(module, name))


def _leave(message: str, code: int) -> NoReturn:
    if message:
        remark(WRONG_MARK, f" {message}")
    sys.exit(code)
