"""Takes README's pictures of the terminal: what the commands print at a terminal of 80 columns, as SVG, light and dark.

    .venv/bin/python e2e/browser/take_terminal_pictures.py

It starts a system of its own on the default ports, buys Pro as ada, refunds a part, and stops it.
"""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import DIMMED_MONOKAI, TerminalTheme
from rich.text import Text

WORKSPACE = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(WORKSPACE / "tests")]

from support.buyer import Buyer  # noqa: E402 - found through the line above
from support.stack import Stack, eventually  # noqa: E402 - as above

IMAGES = WORKSPACE / "docs" / "images"
COLUMNS = 80
DARK = DIMMED_MONOKAI
LIGHT = TerminalTheme(
    (255, 255, 255), (36, 41, 47),
    [(36, 41, 47), (207, 34, 46), (17, 99, 41), (125, 78, 0), (9, 105, 218), (130, 80, 223), (27, 124, 131), (110, 119, 129)],
    [(87, 96, 106), (164, 14, 38), (26, 127, 55), (99, 60, 1), (33, 139, 255), (164, 117, 249), (49, 146, 170), (140, 149, 159)],
)  # fmt: skip
DURATION = re.compile(r"\n[^\n]*Healthy after [^\n]*| in (?:\x1b\[[\d;]*m)*[\d.]+(?:\x1b\[[\d;]*m)* s(?=;)")
"""How long something took says how busy the machine was that took the picture."""
LINK = "one-time-link-of-yours"  # a real one is as long; it has no place in a repository
# Rich's own frame without the fonts that it would load from elsewhere.
FRAME = """<svg class="rich-terminal" viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
<title>{alternative}</title>
<style>
.{unique_id}-matrix {{ font-family: ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; font-size: {char_height}px; line-height: {line_height}px; }}
.{unique_id}-title {{ font-size: 18px; font-weight: bold; font-family: system-ui, sans-serif; }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal"><rect x="0" y="0" width="{terminal_width}" height="{terminal_height}" /></clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""


def seen(stack: Stack, *arguments: str) -> str:
    """What a command writes to a terminal, with its colours. Raises CalledProcessError."""
    ours, theirs = pty.openpty()
    environ = stack.environment() | {"COLUMNS": str(COLUMNS), "LINES": "40", "TERM": "xterm-256color"}
    with subprocess.Popen(
        stack.command(*arguments), env=environ, stdin=theirs, stdout=theirs, stderr=theirs
    ) as process:
        os.close(theirs)
        written = b""
        while part := _read(ours):
            written += part
    os.close(ours)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, arguments, written.decode())
    standing = "\n".join(left_standing(written.decode())).strip("\n")
    return DURATION.sub("", re.sub(r"link=[\w-]+", f"link={LINK}", standing)).strip("\n")


def left_standing(written: str) -> list[str]:
    """The lines that are on the terminal in the end, with their colours, after a live display has redrawn itself."""
    lines, row = [""], 0
    for part in re.split(r"(\n|\r|\x1b\[\d*A|\x1b\[2K|\x1b\[\?25[lh])", written):
        if part == "\n":
            row += 1
            lines += [""] * (row + 1 - len(lines))
        elif part.endswith("A") and part.startswith("\x1b["):
            row = max(0, row - int(part[2:-1] or 1))
        elif part == "\x1b[2K":
            lines[row] = ""
        elif part != "\r" and not part.startswith("\x1b[?25"):
            lines[row] += part
    return lines


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 65_536)
    except OSError:  # the other side is closed
        return b""


def draw(name: str, told: list[tuple[str, str]]) -> None:
    """Commands and what they printed, as one picture of each theme."""
    with open(os.devnull, "w") as nowhere:
        for suffix, theme in (("", LIGHT), ("-dark", DARK)):
            console = Console(record=True, width=COLUMNS, file=nowhere, force_terminal=True, color_system="truecolor")
            for command, printed in told:
                console.print(Text.assemble(("$ ", "dim"), (command, "bold")))
                console.print(Text.from_ansi(printed))
                console.print()
            alternative = "A terminal: " + " and ".join(command for command, _ in told)
            frame = FRAME.replace("{alternative}", alternative)
            picture = console.export_svg(
                title="Atlas Billing", theme=theme, code_format=frame, unique_id=f"atlas-{name}"
            )
            edge = "rgba(255,255,255,0.35)" if suffix else "rgba(0,0,0,0.25)"  # white on white is no edge
            (IMAGES / f"{name}{suffix}.svg").write_text(picture.replace("rgba(255,255,255,0.35)", edge))


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="atlas-pictures-") as folder:
        home = Path(folder)
        home.chmod(0o755)
        stack = Stack(home, int(os.environ.get("PORT_BASE", "8000")))
        try:
            started = seen(stack, "up", "--detach", "--port-base", str(stack.port_base))
            draw("terminal-up", [("./atlas up --detach", started), ("./atlas status", seen(stack, "status"))])
            ada = Buyer(stack, "ada")
            ada.refund(ada.buy(), 1000)
            eventually(lambda: "$10.00" in stack.atlas("explain", "ada").stdout, what="the partial refund is known")
            told = [
                (f"./atlas {command}", seen(stack, *command.split()))
                for command in ("explain ada", "audit", "rebuild --verify")
            ]
            draw("terminal-explain", told)
        finally:
            stack.atlas("down")


if __name__ == "__main__":
    main()
