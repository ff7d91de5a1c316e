"""Tests of the generated reference pages."""

from __future__ import annotations

import enum
import inspect
import re
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import attrs
import pytest

from cloud66_async import resources
from cloud66_async._core.model import Model

from .examples import ROOT

sys.path.insert(0, str(ROOT / "docs"))

# Not import statements: type checkers do not look for modules in docs/.
describe = import_module("cloud66_async.openapi.descriptions").describe
generator = import_module("reference_pages")

# Parameters of an operation that its method does not have: a variant has them, or the method sends a fixed value.
NOT_GIVEN = {
    "application_variants.update": {"operation"},
    "backups.create": {"group", "remote_url"},
    "environment_variables.list": {"environments_format", "requested_types"},
    "firewall_rules.create": {"protocol", "server_id"},  # the method takes the names of protocols, not their numbers
    "onprems.update": {"uid"},
}
MODULES = [*resources.modules(), "common"]
PAGES: dict[str, str] = generator.pages()


def _public(name: str, kind: type) -> list[Any]:
    module = import_module(f"cloud66_async.resources.{name}")
    found = [getattr(module, public) for public in module.__all__]
    return [value for value in found if isinstance(value, type) and issubclass(value, kind)]


def _section(page: str, heading: str) -> str:
    """Return the text below a heading of the third level."""
    return page.partition(f"\n### {heading}\n")[2].partition("\n## ")[0].partition("\n### ")[0]


def test_every_resource_has_a_page() -> None:
    assert set(PAGES) == {"index", *MODULES}


@pytest.mark.parametrize("page", sorted(PAGES))
def test_page_starts_with_its_title(page: str) -> None:
    assert re.match(r"# [A-Z][^:\n]+\n\n[A-Z]", PAGES[page]) is not None


OPERATIONS = pytest.mark.parametrize(
    ("name", "operation"),
    list(resources.operations(variants=True)),
    ids=[name for name, _ in resources.operations(variants=True)],
)


@OPERATIONS
def test_index_lists_the_operation(name: str, operation: Any) -> None:
    module, _, method = name.partition(".")
    owner = generator._owner(module)
    own = hasattr(owner, method)
    # Several resources have a method of this name for the same operation, for example `restart`.
    start = f"| {{py:meth}}`{method} <{owner.__module__}.{owner.__qualname__}.{method}>`" if own else "| {py:meth}`"
    rows = [
        line
        for line in PAGES["index"].splitlines()
        if line.startswith(start) and f" | `{operation}` | " in line and (line.count("{py:meth}") == 1) == own
    ]
    assert len(rows) == 1
    assert rows[0].endswith(f"| {_yes(operation.asynchronous)} | {_yes(operation.repeatable)} |")
    assert operation.scope is None or f"| `{operation.scope}` |" in rows[0]


@OPERATIONS
def test_section_of_the_method_describes_the_operation(name: str, operation: Any) -> None:
    module, _, method = name.partition(".")
    function = getattr(generator._owner(module), method, None)
    if function is None:  # an operation whose variants have the methods
        assert any(other.base is operation for _, other in resources.operations(variants=True))
        return
    section = _method(PAGES[module], method)
    assert f"``{operation}``" in section
    assert f"asynchronous:\N{NO-BREAK SPACE}{_yes(operation.asynchronous)} " in section
    assert f"retried:\N{NO-BREAK SPACE}{_yes(operation.repeatable)}" in section
    assert operation.scope is None or f"scope:\N{NO-BREAK SPACE}``{operation.scope}``" in section
    _self, *parameters = inspect.signature(function).parameters.values()
    types = dict(re.findall(r":type (\w+): (.+)", section))
    assert list(types) == [parameter.name for parameter in parameters]
    optional = {parameter.name for parameter in parameters if parameter.default is not inspect.Parameter.empty}
    assert {key for key, kind in types.items() if kind.endswith(", optional")} == optional


@OPERATIONS
def test_section_of_the_method_tells_what_is_sent(name: str, operation: Any) -> None:
    module, _, method = name.partition(".")
    if not hasattr(generator._owner(module), method):
        return
    section = _method(PAGES[module], method)
    types = dict(re.findall(r":type (\w+): (.+)", section))
    for parameter in (*operation.query_parameters, *operation.body_parameters):
        if parameter.name in NOT_GIVEN.get(name, ()):
            continue
        given = types.get(parameter.name)
        assert given is not None or f"Sent as ``{parameter.name}" in section, parameter.name
        if given is not None and "`bool`" not in given:
            for choice in parameter.choices or ():
                assert repr(choice) in given or f"`{parameter.kind(choice).name}`" in given


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def _method(page: str, name: str) -> str:
    """Return the text of a method."""
    return page.partition(f".. py:method:: {name}(")[2].partition(".. py:method::")[0].partition("```")[0]


def test_parameters_are_shown_as_users_know_them() -> None:
    create = _method(PAGES["firewall_rules"], "create")
    assert "`TCP`, `UDP`, `ICMP`), `'tcp'`, `'udp'` or `'icmp'`\n" in create
    assert ":param port: Port to open.\n" in create
    variables = _method(PAGES["environment_variables"], "download")
    assert (
        ":type requested_types: `Iterable` of `'all'`, `'user'`, `'generated'` or `'locked'`, optional\n" in variables
    )
    stencils = _method(PAGES["stencils"], "create")
    assert "Fields: ``filename`` (`str`), ``template_filename`` (`str`, optional)" in stencils
    release = _method(PAGES["helm_releases"], "create")
    assert ":param chart_name: Name of the chart. Sent as ``helm_release.chart_name``.\n" in release
    assert "always sends ``command: restart``" in _method(PAGES["stacks"], "restart")
    assert "body inside ``ssl_certificate``" in _method(PAGES["ssl_certificates"], "create")


@pytest.mark.parametrize("name", MODULES)
def test_page_describes_every_field(name: str) -> None:
    for model in _public(name, Model):
        section = _section(PAGES[name], model.__name__)
        rows = re.findall(r"^\| `(\w+)` \| (.+?) \| (.+?) \|", section, re.MULTILINE)
        assert [row[0] for row in rows] == [field.name for field in attrs.fields(model)]
        required = {field.name for field in attrs.fields(model) if field.default is attrs.NOTHING}
        assert {row[0] for row in rows if row[2] == "required"} == required


@pytest.mark.parametrize("name", MODULES)
def test_page_lists_every_member_of_an_enumeration(name: str) -> None:
    for kind in _public(name, enum.Enum):
        rows = re.findall(r"^\| `(\w+)` \| `(.+?)` \|", _section(PAGES[name], kind.__name__), re.MULTILINE)
        assert rows == [(member.name, repr(member.value)) for member in kind]


def test_pages_show_no_internal_types() -> None:
    for name, text in PAGES.items():
        assert re.findall(r"Annotated|Keep|UNSET|UNCHANGED|NOTHING|Timestamp|typing\.", text) == [], name


def test_types_are_shown_as_users_know_them() -> None:
    section = _section(PAGES["stacks"], "Stack")
    assert "| `created_at` | `datetime` |" in section
    assert "| `created_at_iso` | `datetime` |" in section
    assert "| `health` | {py:class}`~cloud66_async.models.Health` |" in section
    assert "| `namespaces` | `tuple` of `str` |" in section
    assert "| `considerations` | `dict` |" in section


def test_sentence_of_the_docstring_describes_the_field() -> None:
    section = _section(PAGES["deployments"], "Deployment")
    assert re.search(r"^\| `is_live` .*is running\. \|$", section, re.MULTILINE) is not None


@attrs.frozen(kw_only=True)
class Sample(Model):
    """A sample. It stays in the text. The third sentence names `named`.

    So does another paragraph.

    Args:
        listed: Described in
            the list.
    """

    listed: str | None = None
    beside: str | None = None  # described beside
    # described
    # above
    above: str | None = None
    below: str | None = None
    """Described below."""
    named: str | None = None
    silent: str | None = None  # pragma: no cover


def test_descriptions_come_from_docstrings_and_comments() -> None:
    text, found = describe(Sample, attrs.fields_dict(Sample))
    assert text == "A sample. It stays in the text.\n\nSo does another paragraph."
    assert found == {
        "listed": "Described in the list.",
        "beside": "Described beside.",
        "above": "Described above.",
        "below": "Described below.",
        "named": "The third sentence names `named`.",
        "silent": "",
    }


def test_write_deletes_pages_of_resources_that_no_longer_exist(tmp_path: Path) -> None:
    (tmp_path / "gone.md").write_text("# Gone", encoding="utf-8")
    generator.write(tmp_path)
    assert {path.stem for path in tmp_path.iterdir()} == set(PAGES)
    times = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    generator.write(tmp_path)  # unchanged pages are not written again
    assert {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == times
