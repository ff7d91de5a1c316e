"""The tree of commands as data: the help, the registration and the answer to an unknown command read it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

__all__ = ["DESCRIPTION", "TREE", "expand", "is_command", "suggestions"]

DESCRIPTION: Final = "Manage Cloud 66 stacks from the terminal, or try the SDK with a local sandbox."

# Each group with its commands: the name, its place below `commands`, and its help.
TREE: Final[Mapping[str, Sequence[tuple[str, str, str]]]] = {
    "Start": [
        ("demo", "demo:demo", "Log in to a local sandbox, read its stacks, and redeploy one (no account needed)."),
        ("sandbox", "sandbox:sandbox", "Serve a simulated Cloud 66 API until you press Ctrl+C."),
        ("login", "login:login", "Log in and store the access token."),
        ("logout", "login:logout", "Revoke the stored access token and delete it."),
        ("whoami", "identity:whoami", "Show who is logged in, where, and with which scopes."),
        ("profiles", "profiles:app", "List the stored logins, or choose the one that is used."),
        ("doctor", "doctor:doctor", "Check the address, the network, the login and the quota, with a remedy for each."),
        ("completion", "completion:completion", "Print a completion script for bash, zsh or fish."),
    ],
    "Look": [
        ("stacks", "stacks:stacks", "List stacks, or watch them."),
        ("stack", "stack:stack", "Show one stack with its servers and its latest deployment."),
        ("open", "open_site:open_site", "Open the site of a stack, or its page in the dashboard, in a browser."),
        ("fleet", "fleet:fleet", "Show the stacks of all accounts with health, servers and latest deployment."),
        ("servers", "servers:servers", "List the servers of a stack."),
        ("ssh-info", "ssh_info:ssh_info", "Show how to reach a server with SSH."),
        ("deployments", "deployments:app", "List the deployments of a stack, or cancel the running one."),
        ("actions", "actions:actions", "List the recent actions of a stack."),
        ("accounts", "identity:accounts", "List the accounts of the user."),
        ("quota", "identity:quota", "Show how many requests are left this hour."),
    ],
    "Change": [
        ("redeploy", "redeploy:redeploy", "Redeploy stacks and wait until they are deployed."),
        ("wait", "actions:wait", "Wait until an action or the latest deployment of a stack ends."),
        ("services", "services:app", "List the services of a stack; scale, restart, pause, resume and stop them."),
        ("processes", "processes:app", "List the processes of a stack; scale, restart, pause and resume them."),
        ("jobs", "jobs:app", "List the jobs of a stack, or run one."),
        ("backups", "backups:app", "List the backups of a stack, download one, or start a new one."),
        ("firewall", "firewall:app", "List the firewall rules of a stack, or open a port for some time."),
    ],
    "Configure": [
        ("env", "env:app", "Read, change, compare and copy environment variables."),
        ("settings", "settings:app", "List the settings of a stack, or change one."),
    ],
    "Raw": [
        ("api", "api:api", "Send a request to the API and print the response."),
        ("openapi", "openapi:openapi", "Print the API as an OpenAPI 3.1 document."),
    ],
}

# What users of other tools type, with what it stands for here.
_ALIASES: Final[Mapping[str, str]] = {
    "action": "actions",
    "account": "accounts",
    "backup": "backups",
    "deployment": "deployments",
    "env-vars": "env",
    "job": "jobs",
    "process": "processes",
    "server": "servers",
    "service": "services",
    "setting": "settings",
}
# What is similar in meaning, and not in its letters.
_MEANT: Final[Mapping[str, str]] = {"status": "stack", "deploy": "redeploy", "ps": "processes", "ssh": "ssh-info"}
_LISTINGS: Final = frozenset(
    {
        "accounts",
        "actions",
        "backups",
        "deployments",
        "firewall",
        "jobs",
        "processes",
        "servers",
        "services",
        "settings",
        "stacks",
    }
)


def is_command(name: str) -> bool:
    """Return whether a command has this name."""
    return any(name == command for commands in TREE.values() for command, _, _ in commands)


def suggestions(name: str) -> list[str]:
    """Return the names of commands that are similar to this text, the most similar first."""
    import difflib  # imported lazily: takes 4 ms, and only an unknown command needs it

    close = difflib.get_close_matches(name, [command for commands in TREE.values() for command, _, _ in commands])
    meant = _MEANT.get(name)
    return close if meant is None else list(dict.fromkeys([meant, *close]))


def expand(arguments: Sequence[str]) -> list[str]:
    """Return arguments with the names of this program, for those who type `server list` or `stack list`."""
    found = list(arguments)
    if not found:
        return found
    if found[:2] in (["auth", "status"], ["auth", "login"], ["auth", "logout"]):
        found[:2] = ["whoami" if found[1] == "status" else found[1]]
    if found[:2] == ["stack", "list"]:
        found[0] = "stacks"
    if found[0] == "lease":  # as the official client calls it
        found[:1] = ["firewall", "open"]
    found[0] = _ALIASES.get(found[0], found[0])
    if found[0] in _LISTINGS and found[1:2] == ["list"]:
        del found[1]
    return found
