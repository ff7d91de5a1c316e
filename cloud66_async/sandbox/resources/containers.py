"""Containers in the sandbox. Stacks that use Docker or Kubernetes have services and containers, others processes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from ...resources import containers as api
from ...resources.containers import ContainerHealth
from ..commands import affects
from ..crud import find, serve_list
from ..handling import Context, handles
from ..samples import sample_uid, timestamp
from ..stack import FakeStack
from ..table import Kind, Record, Table, register

__all__ = ["CONTAINERS", "SAMPLE_SERVICES", "new_container", "selected", "uses_containers"]

SAMPLE_SERVICES: Mapping[str, tuple[str, int]] = {"web": ("bundle exec puma", 2), "worker": ("bundle exec sidekiq", 1)}
"""The command of each service that a stack has from the beginning, and how many containers it has."""


def uses_containers(stack: FakeStack) -> bool:
    """Return whether the stack runs in containers."""
    return bool(stack.data["framework"] == "docker" or stack.data["backend"] == "kubernetes")


def sample(stack: FakeStack) -> Iterator[Record]:
    """Yield the containers of each service, distributed over the servers."""
    if uses_containers(stack):
        for service, (command, count) in SAMPLE_SERVICES.items():
            for number in range(count):
                server = stack.servers[number % len(stack.servers)]
                yield new_container(stack, service, command, server, number=number, now=stack.added_at)


def another(stack: FakeStack, number: int, given: Mapping[str, Any]) -> Record:
    """Return one more container of the service and on the server that are given, or of the first ones."""
    service = given.get("service_name", "web")
    command = given.get("command", SAMPLE_SERVICES.get(service, SAMPLE_SERVICES["web"])[0])
    wanted = given.get("server_uid", stack.servers[0]["uid"])
    server = next((server for server in stack.servers if server["uid"] == wanted), stack.servers[0])
    return new_container(stack, service, command, server, number=number, now=stack.added_at)


CONTAINERS = register(Kind("container", model=api.Container, key="uid", sample=sample, another=another))

serve_list(api.LIST, CONTAINERS, filters={"server_uid": "server_uid", "service_name": "service_name"})


@handles(api.GET)
def get_container(context: Context, stack: str, container: str) -> Record:
    """Return one container with its runtime, which contains the environment variables of the stack."""
    record = find(context, CONTAINERS, stack, container)
    variables = context.world.table("environment variable", context.stack(stack)).list()
    runtime = {
        "Id": record["uid"],
        "Created": record["created_at"],
        "State": {"Running": True, "StartedAt": record["started_at"], "FinishedAt": "0001-01-01T00:00:00Z"},
        "Config": {
            "Cmd": record["command"].split(),
            "Env": [f"{variable['key']}={variable['value']}" for variable in variables],
            "Image": record["image"],
        },
    }
    return {**record, "runtime": runtime}


@handles(api.STOP)
def stop_container(context: Context, stack: str, container: str) -> Record:
    """Start the action that stops a container."""
    find(context, CONTAINERS, stack, container)
    table = context.world.table(CONTAINERS, context.stack(stack))

    def stop() -> None:
        # The service may have been scaled down in the meantime.
        for record in selected(table, uid=container):
            table.delete(record["uid"])

    return context.start_action(stack, "container_stop", stop)


@affects("restart", "service_restart", "container_restart", "service_pause", "service_resume")
def change_containers(context: Context, stack: FakeStack) -> None:
    """Restart, pause or resume the containers that a command names."""
    given, table = context.parameters, context.world.table(CONTAINERS, stack)
    changes = {"status": "paused" if given["command"] == "service_pause" else "running"}
    if given["command"].endswith("restart"):
        changes["started_at"] = timestamp(context.world.clock.now())
    uid, service, server = given.get("container_id"), given.get("service_name"), given.get("server_uid")
    for record in selected(table, uid=uid, service=service, server=server):
        table.update(record["uid"], changes)


def selected(
    table: Table[Record], *, uid: str | None = None, service: str | None = None, server: str | None = None
) -> tuple[Record, ...]:
    """Return the containers with this uid, of this service and on this server. None stands for any."""
    wanted = {"uid": uid, "service_name": service, "server_uid": server}
    conditions = [(name, value) for name, value in wanted.items() if value is not None]
    return tuple(record for record in table.list() if all(record[name] == value for name, value in conditions))


def new_container(
    stack: FakeStack, service: str, command: str, server: Record, *, number: int, now: datetime
) -> Record:
    """Return every field of a container, except its runtime.

    Args:
        stack: Stack that the container belongs to.
        service: Name of its service.
        command: Command of its service.
        server: Server that it runs on.
        number: Number that no other container of the service has.
        now: When it is started.
    """
    uid = sample_uid("container", stack.uid, service, number) + sample_uid(service, number, stack.uid)
    return {
        "uid": uid,
        "name": f"{service}-{uid[:10]}",
        "server_uid": server["uid"],
        "server_name": server["name"],
        "service_name": service,
        "image": f"registry.example.com/acme/{stack.name}:latest",
        "command": command,
        "status": "running",
        "ports": [{"container": 3000, "http": 80, "https": 443}] if service == "web" else [],
        "private_ip": server["int_ipv4"],
        "docker_ip": f"172.17.{number // 250 % 250}.{number % 250 + 2}",
        "health_state": ContainerHealth.UP.value,
        "health_message": None,
        "health_source": "system",
        "capture_output": True,
        "restart_on_deploy": True,
        "started_at": timestamp(now),
        "created_at": timestamp(now),
        "updated_at": timestamp(now),
    }
