"""The commands `env` and below: environment variables."""

from __future__ import annotations

from cyclopts import App

from ._env_applying import apply, copy
from ._env_changing import set_, unset
from ._env_diff import diff
from ._env_export import export
from ._env_reading import get, list_

__all__ = ["app"]

app: App = App(
    name="env",
    help="Read, change, compare and copy environment variables.",
    help_format="plaintext",
    result_action="return_value",
)

app.command(list_, name="list")
app.command(get, name="get")
app.command(set_, name="set")
app.command(unset, name="unset")
app.command(export, name="export")
app.command(diff, name="diff")
app.command(apply, name="apply")
app.command(copy, name="copy")
# What users of the official client type.
app.command(export, name="download", show=False)
app.command(apply, name="upload", show=False)
