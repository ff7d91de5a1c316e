"""Pictures of the terminal: `python docs/pictures.py` runs commands in a terminal and writes their output as SVG.

Needs a POSIX system. The pictures are stored, because README.md shows one, too; a test compares their text.
"""

from __future__ import annotations

import fcntl
import io
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

from cloud66_async.clock import SystemClock
from cloud66_async.sandbox import FakeCloud66, SandboxServer

__all__ = ["COMMANDS", "FOLDER", "record", "render"]

FOLDER: Final = Path(__file__).parent / "_static"
COMMANDS: Final = (
    "cloud66-async stacks -e production",
    "cloud66-async redeploy shop --yes",
)
_COLUMNS: Final = 54  # readable on a phone

# Black, red, green, yellow, blue, magenta, cyan, white. Each has enough contrast on its ground.
_THEMES: Final = {
    "light": TerminalTheme(
        (246, 248, 250),
        (36, 41, 47),
        [
            (36, 41, 47),
            (180, 35, 24),
            (17, 99, 41),
            (138, 90, 0),
            (9, 105, 218),
            (130, 80, 223),
            (20, 110, 130),
            (80, 88, 96),
        ],
    ),
    "dark": TerminalTheme(
        (22, 27, 34),
        (230, 237, 243),
        [
            (1, 4, 9),
            (255, 123, 114),
            (86, 211, 100),
            (227, 179, 65),
            (121, 192, 255),
            (210, 168, 255),
            (86, 212, 221),
            (200, 206, 214),
        ],
    ),
}
_MARGIN: Final = 16
# Without the window and the fonts of rich's own template, which a browser would download.
_TEMPLATE: Final = """\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}">
<style>
.{unique_id}-matrix {{ font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace;
font-size: {char_height}px; line-height: {line_height}px; }}
{styles}
</style>
<defs><clipPath id="{unique_id}-clip-terminal"><rect width="100%" height="100%"/></clipPath>{lines}</defs>
<rect width="100%" height="100%" rx="10" fill="GROUND"/>
<g transform="translate(MARGIN, MARGIN)">{backgrounds}<g class="{unique_id}-matrix">{matrix}</g></g>
</svg>
"""


def record() -> str:
    """Return what a terminal shows after the commands, with its color codes."""
    fake = FakeCloud66(clock=SystemClock(), action_seconds=2.0)
    fake.seed(30)
    fake.add_stack("shop", environment="production")
    parts: list[str] = []
    with SandboxServer(fake) as server:
        settings = {"CLOUD66_URL": server.url, "CLOUD66_ACCESS_TOKEN": fake.add_token().reveal()}
        for command in COMMANDS:
            arguments = [sys.executable, "-m", "cloud66_async", *command.split()[1:]]
            output = _in_terminal(arguments, settings) if "stacks" in command else _piped(arguments, settings)
            parts.append(f"\x1b[2m$\x1b[0m {command}\n{output.strip()}\n")
    return "\n".join(parts)


def _environment(settings: dict[str, str]) -> dict[str, str]:
    others = ("CLOUD66_", "NO_COLOR", "CI", "COLUMNS", "LINES")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(others)}
    return {**kept, **settings, "TERM": "xterm-256color", "FORCE_COLOR": "1"}


def _piped(arguments: list[str], settings: dict[str, str]) -> str:
    """Return the result of a command that would draw a live display on a terminal."""
    return subprocess.run(  # noqa: S603  our own program
        arguments, env=_environment(settings), stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True
    ).stdout


def _in_terminal(arguments: list[str], settings: dict[str, str]) -> str:
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, _COLUMNS, 0, 0))
    output = b""
    with subprocess.Popen(  # noqa: S603  our own program
        arguments, env=_environment(settings), stdin=theirs, stdout=theirs, stderr=theirs
    ):
        os.close(theirs)
        try:
            while data := os.read(ours, 65_536):
                output += data
        except OSError:  # Linux: the other end is closed
            pass
        finally:
            os.close(ours)
    return output.decode().replace("\r\n", "\n")


def render(text: str, theme: str) -> str:
    """Return a picture of a terminal with this text."""
    console = Console(
        record=True, width=_COLUMNS + 1, file=io.StringIO(), force_terminal=True, color_system="truecolor"
    )
    console.print(Text.from_ansi(text.rstrip()), soft_wrap=True)
    colors = _THEMES[theme]
    picture = console.export_svg(
        title="",
        theme=colors,
        code_format=_TEMPLATE.replace("GROUND", colors.background_color.hex).replace("MARGIN", str(_MARGIN)),
        unique_id=f"t-{theme}",
    )
    lines = text.rstrip().count("\n") + 1
    size = f'viewBox="0 0 {_COLUMNS * 12.2 + 2 * _MARGIN:.0f} {lines * 24.4 + 2 * _MARGIN:.0f}"'
    picture = re.sub(r'viewBox="[^"]*"', size, picture, count=1)
    return "\n".join(line.rstrip() for line in picture.splitlines()) + "\n"


if __name__ == "__main__":
    recorded = record()
    for name in _THEMES:
        (FOLDER / f"terminal-{name}.svg").write_text(render(recorded, name), encoding="utf-8")
