"""Formations in the sandbox, with their parts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, cast

from ...resources import formations as api
from ..crud import find, tables_of
from ..handling import Context, Listing, handles
from ..message import Rejected, error_reply
from ..parameters import bad_request
from ..samples import sample_uid, timestamp
from ..stack import FakeStack
from ..table import Kind, Record, register
from .base_templates import BASE_TEMPLATES, get_template, sample as sample_templates

__all__ = ["FILTERS", "FORMATIONS", "add_part", "base_templates", "check_message", "new_part"]

_OTHER_FILTERS = ("helm_filter", "transformation_filter", "policy_filter", "workflow_filter")
_PARTS = ("stencils", "policies", "transformations", "workflows", "helm_releases")
# The uids of the base templates, and for each stencil the times and texts of its versions. The first one has no time.
_INTERNAL = ("template_uids", "versions")

_DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: "${namespace}", annotations: {snapshot: "${snapshot}"}}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: "${image}"}]}
"""
_SERVICE = """\
apiVersion: v1
kind: Service
metadata: {name: web, namespace: "${namespace}"}
spec: {selector: {app: web}, ports: [{port: 80, targetPort: 3000}]}
"""
# JSON is YAML too, and the sandbox cannot read the rest of YAML.
_WORKFLOW = '{"steps": [{"name": "apply", "namespace": "${namespace}"}, {"name": "wait", "for": "deployment/web"}]}\n'


def sample(stack: FakeStack) -> Iterator[Record]:
    """Yield a formation that deploys a web service, with one or two parts of each kind."""
    template, time = next(sample_templates(stack.data["account_id"])), stack.data["created_at_iso"]

    def part(kind: str, **fields: object) -> Record:
        uid = sample_uid(kind, stack.uid, *fields.values())
        return {"uid": uid, **fields, "created_at_iso": time, "updated_at_iso": time}

    def stencil(number: int, filename: str, body: str) -> Record:
        return part("stencil", filename=f"web_{filename}", template_filename=filename, context_id="web", status=0,
                    tags=["web"], inline=False, gitfile_path=f"stencils/web_{filename}", body=body,
                    btr_repo=template["git_repo"], btr_branch=template["git_branch"], sequence=number)  # fmt: skip

    stencils = [stencil(10, "deployment.yml", _DEPLOYMENT), stencil(20, "service.yml", _SERVICE)]
    yield {
        "uid": f"fm-{sample_uid('formation', stack.uid)}",
        "name": stack.data["environment"],
        "tags": [],
        "stencils": stencils,
        "policies": [
            part("policy", name="replicas", selector="kind: Deployment", sequence=1, body="replicas >= 2\n", tags=[])
        ],
        "transformations": [
            part("transformation", name="labels", selector="*", sequence=1, body="labels.team = web\n", tags=[])
        ],
        "workflows": [part("workflow", name="default", default=True, body=_WORKFLOW, tags=[])],
        "helm_releases": [
            part("helm release", display_name="cache", chart_name="redis", version="19.6.4",
                 repository="https://charts.example.com", body="architecture: standalone\n")
        ],
        "filters": [
            part("filter", name="services", stencil_filter="*service.yml", helm_filter="", transformation_filter="",
                 policy_filter="", workflow_filter="")
        ],
        "created_at_iso": time,
        "updated_at_iso": time,
        "template_uids": [template["uid"]],
        "versions": {item["uid"]: [[None, item["body"]]] for item in stencils},
    }  # fmt: skip


FORMATIONS = register(Kind("formation", model=api.Formation, key="uid", sample=sample))
FILTERS: Kind[Record] = register(
    Kind(
        "formation filter",
        model=api.FormationFilter,
        key="uid",
        uid=True,
        parent=FORMATIONS,
        field="filters",
        defaults={"name": "", "stencil_filter": "*", **dict.fromkeys(_OTHER_FILTERS, "")},
    )
)


@handles(api.LIST)
def list_formations(context: Context, stack: str) -> Listing[Record]:
    """List the formations. The texts of their parts are null unless they were requested."""
    (table,) = tables_of(context, FORMATIONS, stack)
    hidden = {} if context.parameters.get("full_content") else {"body": None}

    def to_json(record: Record) -> Record:
        parts = {name: [{**part, **hidden} for part in record[name]] for name in _PARTS}
        return {**_to_json(context, stack, record), **parts}

    return Listing(table.list(), to_json)


@handles(api.CREATE)
def create_formation(context: Context, stack: str) -> Record:
    """Create a formation without parts from one base template or from several."""
    (table,), given = tables_of(context, FORMATIONS, stack), context.parameters
    if not given["name"].strip() or ("base_template" in given) == ("base_templates" in given):
        raise bad_request("A formation needs a name and either base_template or base_templates")
    _check_unused(table.list(), "name", given["name"])
    known = {(item["git_repo"], item["git_branch"]): item["uid"] for item in _templates(context, stack)}
    wanted = given["base_templates"] if "base_templates" in given else [given["base_template"]]
    uids = [known.get((source["repo"], source["branch"])) for source in wanted]
    if not uids or None in uids:
        raise bad_request("There is no base template with this repo and branch")
    now = timestamp(context.now)
    record = table.add(
        {
            "uid": f"fm-{sample_uid('formation', table.new_id())}",
            "name": given["name"],
            "tags": given.get("tags", []),
            **{name: [] for name in (*_PARTS, "filters")},
            "created_at_iso": now,
            "updated_at_iso": now,
            "template_uids": uids,
            "versions": {},
        }
    )
    return _to_json(context, stack, record)


def base_templates(context: Context, stack: str, formation: Record) -> list[Record]:
    """Return the base templates of a formation, except those that were deleted."""
    known = {item["uid"] for item in _templates(context, stack)}
    return [cast("Record", get_template(context, uid)) for uid in formation["template_uids"] if uid in known]


def new_part(context: Context, given: Mapping[str, Any], defaults: Mapping[str, Any]) -> Record:
    """Return a part with the given values, and the defaults for the others. The first one is its name."""
    name = next(iter(defaults))
    if not given[name].strip():
        raise bad_request(f"{name} must not be empty")
    uid, now = sample_uid("part", context.world.tables.new_id()), timestamp(context.now)
    return {"uid": uid, **defaults, **given, "created_at_iso": now, "updated_at_iso": now}


def add_part(
    context: Context, stack: str, formation: str, place: tuple[str, str], defaults: Mapping[str, Any]
) -> Record:
    """Add the part in the request to a formation and return it.

    `place` is the name of the parameter and that of the formation's field.
    """
    record, (parameter, field) = find(context, FORMATIONS, stack, formation), place
    check_message(context)
    part = new_part(context, context.parameters[parameter], defaults)
    name = next(iter(defaults))
    _check_unused(record[field], name, part[name])
    record[field].append(part)
    return part


def check_message(context: Context) -> None:
    """Reject an empty commit message."""
    if not context.parameters["message"].strip():
        raise bad_request("message must not be empty")


def _check_unused(records: Any, field: str, name: str) -> None:
    if any(record[field] == name for record in records):
        raise Rejected(error_reply(409, "conflict", f"There is already one with the {field} {name}"))


def _templates(context: Context, stack: str) -> tuple[Record, ...]:
    """Return the base templates of the stack's account."""
    return context.world.table(BASE_TEMPLATES, context.stack(stack).data["account_id"]).list()


def _to_json(context: Context, stack: str, record: Record) -> Record:
    """Return the fields of the API."""
    shown = {name: value for name, value in record.items() if name not in _INTERNAL}
    return {**shown, "base_templates": base_templates(context, stack, record)}
