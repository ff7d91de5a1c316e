"""The command `ssh-info`."""

from __future__ import annotations

import os
import re
import shlex
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from ...client import Cloud66
from ...resources.servers import Server
from ...resources.stacks import Stack
from ...secret import Secret
from ..exits import USAGE, CommandError
from ..lookup.members import find_servers
from ..lookup.names import find_stack, full_name
from ..options import DEFAULT_ACCESS, DEFAULT_OUTPUT, Access, Environment, Output, StackName, Yes
from ..running import run
from ..terminal.console import plain, report
from ..terminal.output import Field, Listing
from ..terminal.prompts import confirm

__all__ = ["ssh_command", "ssh_info"]

# What a server says becomes part of a command that people paste into a shell.
_HARMLESS = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:%-]*")


def ssh_info(
    stack: StackName,
    server: Annotated[
        str | None,
        Parameter(name=["--server"], help="Name, address or uid; the default is every server."),
    ] = None,
    *,
    environment: Environment = None,
    key: Annotated[
        Path | None, Parameter(help="File for the private key of the server, which only you will be able to read.")
    ] = None,
    yes: Yes = False,
    access: Access = DEFAULT_ACCESS,
    output: Output = DEFAULT_OUTPUT,
) -> None:
    """Show how to reach a server with SSH: the command, the address and the user.

    For example: cloud66-async ssh-info billing-web/production lion-2 --key ~/.ssh/lion-2
    """
    listing = _listing(key)
    output.check(listing)
    replaces = False
    if key is not None:
        key = key.expanduser()
        replaces = _check_place(key, yes=yes)
    where, found = run(_read(access.open(), stack, environment, server, with_key=key is not None))
    if key is not None:
        _save(key, found[0].ssh_private_key, where, replaces=replaces)
        report(f"Private key of {plain(found[0].name)} saved to {key}")
    output.show(listing, found, empty=(f"{full_name(where)} has no servers yet.",))


def _listing(key: Path | None) -> Listing[Server]:
    return Listing(
        "server",
        (
            Field("name", lambda server: server.name),
            Field("user", lambda server: server.user_name, dropped=2),
            Field("address", _address, dropped=1),
            Field("command", lambda server: ssh_command(server, key)),
        ),
        lambda server: {
            "name": server.name,
            "uid": server.uid,
            "user": server.user_name,
            "address": _address(server),
            "gateway": server.deploy_gateway_address if server.has_deploy_gateway else None,
            "command": ssh_command(server, key) or None,
        },
    )


def ssh_command(server: Server, key: Path | None = None) -> str:
    """Return the command that logs in to a server, or an empty string if its address is unknown or no address."""
    target = _target(server.user_name, _address(server))
    if not target:
        return ""
    words = ["ssh"]
    if key is not None:
        words += ["-i", str(key)]
    if server.has_deploy_gateway:
        gateway = _target(server.deploy_gateway_user_name, server.deploy_gateway_address)
        if not gateway:
            return ""
        words += ["-J", gateway]
    return shlex.join([*words, target])


def _address(server: Server) -> str | None:
    """Return the address of a server. Behind a gateway, it is the one of the private network."""
    if server.has_deploy_gateway and server.int_ipv4:
        return server.int_ipv4
    return server.ext_ipv4 or server.address or server.ext_ipv6 or server.dns_record


def _target(user: str | None, address: str | None) -> str:
    if not address or _HARMLESS.fullmatch(address) is None or (user and _HARMLESS.fullmatch(user) is None):
        return ""
    return f"{user}@{address}" if user else address


async def _read(
    c66: Cloud66, name: str, environment: str | None, server: str | None, *, with_key: bool
) -> tuple[Stack, list[Server]]:
    async with c66:
        where = await find_stack(c66, name, environment)
        if server is not None:
            found = await find_servers(c66, where, [server])
        else:
            found = await c66.servers.list(where.uid)
        if with_key:
            if len(found) != 1:
                names = ", ".join(plain(one.name) for one in found)
                raise CommandError("--key needs the name of one server", f"Servers: {names}", code=USAGE)
            found = [await c66.servers.get(where.uid, found[0].uid, include_private_key=True)]
        return where, found


def _check_place(path: Path, *, yes: bool) -> bool:
    """Return whether there is a file, which was agreed to be replaced. Called before the key is requested."""
    if path.is_dir() or not path.parent.is_dir():
        raise CommandError(f"cannot write the key to {path}: it is not a file in an existing directory", code=USAGE)
    if not path.is_symlink() and not path.exists():
        return False
    confirm(f"replace the file {path}", yes=yes)
    return True


def _save(path: Path, key: Secret | None, stack: Stack, *, replaces: bool) -> None:
    """Write the key to a file that only its owner can read. If that fails, an existing file stays as it was."""
    if key is None:
        raise CommandError(f"Cloud 66 did not send the private key of this server of {full_name(stack)}")
    new = path.with_name(f".{path.name}.{os.getpid()}.new") if replaces else path
    created = False
    try:
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            created = True
            file.write(key.reveal().rstrip("\n") + "\n")
        if replaces:
            new.replace(path)
    except OSError as error:
        if created:
            new.unlink(missing_ok=True)
        raise CommandError(f"cannot write the key to {path}: {error.strerror}") from None
