"""`./atlas keys`: the keys by which services know each other, made and exchanged. Private keys are never printed."""

from __future__ import annotations

import os
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from atlas_operator.errors import KeysRefused, NotUnderstood
from atlas_operator.key_folder import KeyFolder, as_setting, check_name
from atlas_operator.local import atlas_home, environment
from atlas_operator.terminal.console import say

app = typer.Typer(help="The keys by which services know each other.", no_args_is_help=True)
Folder = Annotated[
    str | None,
    typer.Option(
        "--folder",
        envvar="ATLAS_KEYS",
        help="Where the keys are; without it, those of the local stack.",
        show_default=False,
    ),
]
Name = Annotated[str, typer.Argument(metavar="NAME", help="The service: the kid of its key.")]


class RotationStep(StrEnum):
    """A rotation's three steps, in order."""

    BEGIN = "begin"
    SWITCH = "switch"
    END = "end"


NEXT = {
    RotationStep.BEGIN: "A second key of {name} is trusted. Give every service the new INTERNAL_TRUSTED_KEYS, one "
    "after another; then: keys rotate {name} switch",
    RotationStep.SWITCH: "{name} signs with its second key from its next start on. Restart it; "
    "then: keys rotate {name} end",
    RotationStep.END: "The earlier key of {name} is trusted no more. Give every service the new INTERNAL_TRUSTED_KEYS.",
}

NOTHING_TO_END = (
    "There is nothing to end: only the key in use of {name} is trusted. "
    "A rotation starts with: keys rotate {name} begin"
)


@app.command()
def make(
    names: Annotated[list[str], typer.Argument(metavar="NAME…", help="The services, as they call themselves.")],
    *,
    folder: Folder = None,
) -> None:
    """Give each NAME a key where it has none, and let all trust it. Safe to repeat."""
    keys = _folder(folder)
    made = keys.make(names)
    for name in names:
        say(f"{name}: {'made' if name in made else 'has one'}")
    say(f"Private keys: {keys.path}/NAME.json (INTERNAL_SIGNING_KEY); public: trusted.json (INTERNAL_TRUSTED_KEYS).")


@app.command()
def rotate(
    name: Name,
    step: Annotated[RotationStep, typer.Argument(help="begin, switch, end: in this order, with restarts in between.")],
    *,
    folder: Folder = None,
) -> None:
    """Exchange NAME's key without an interruption, in three steps. Each says what to do before the next."""
    keys = _folder(folder)
    done = {RotationStep.BEGIN: keys.begin, RotationStep.SWITCH: keys.switch, RotationStep.END: keys.end}[step](name)
    say((NOTHING_TO_END if done is False else NEXT[step]).format(name=name))


@app.command()
def trusted(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME…]", help="Only theirs.", show_default=False)
    ] = None,
    *,
    folder: Folder = None,
) -> None:
    """The public keys as JSON: a value for INTERNAL_TRUSTED_KEYS, and what to hand to whom you ask."""
    for name in names or ():
        check_name(name)
    keys = _folder(folder)
    found = keys.trusted()["keys"]
    unknown = sorted(set(names or ()) - {str(key.get("kid")) for key in found})
    if unknown or not found:
        what = f"of {', '.join(unknown)} " if unknown else ""
        raise KeysRefused(f"There is no public key {what}in {keys.path}. Make one: keys make NAME")
    print(as_setting({"keys": [key for key in found if not names or key.get("kid") in names]}))


def _folder(given: str | None) -> KeyFolder:
    if given is not None and not given.strip():
        raise NotUnderstood("--folder must not be empty.")
    return KeyFolder(Path(given) if given else atlas_home(environment(os.environ)) / "keys")
