"""The user's browser, started without the secrets of this process."""

from __future__ import annotations

import os
import subprocess
import sys
import webbrowser

__all__ = ["open_in_browser"]

_PREFIX = "CLOUD66_"
# ValueError: BROWSER has an unclosed quotation mark. KeyboardInterrupt: Ctrl+C reaches this process, too.
_OPEN = """
import sys, webbrowser
try:
    sys.exit(not webbrowser.open(sys.argv[1]))
except (OSError, ValueError, webbrowser.Error, KeyboardInterrupt):
    sys.exit(1)
"""


def open_in_browser(url: str) -> bool:
    """Open the URL in the user's browser and return whether there is one.

    Blocks while a browser runs in the foreground, such as a text-mode browser or a program that BROWSER names.

    A child process opens it, because the browser inherits its environment: it must not contain CLOUD66_CLIENT_SECRET
    or other variables of this package. Other users can see the URL among the arguments of the browser.
    """
    environment = {name: value for name, value in os.environ.items() if not name.upper().startswith(_PREFIX)}
    try:
        if not sys.executable or getattr(sys, "frozen", False):
            return webbrowser.open(url)  # there is no interpreter to start
        command = [sys.executable, "-I", "-c", _OPEN, url]
        return subprocess.run(command, env=environment, check=False).returncode == 0  # noqa: S603 (no shell)
    except (OSError, ValueError, webbrowser.Error):
        return False
