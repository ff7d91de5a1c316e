"""Snapshots: the states of a stack that formations are rendered with."""

from __future__ import annotations

from collections.abc import Iterable

import attrs

from .._core.model import IsoTimestamp, Model, Timestamp
from ..operation import get, many
from ..pager import Pager
from ._resource import Resource

__all__ = ["RenderIssue", "Renders", "Snapshot", "Snapshots", "StencilRender"]


@attrs.frozen(kw_only=True)
class Snapshot(Model):
    """One snapshot."""

    uid: str  # starts with `sn-`
    action: str | None = None  # what caused it; an open set
    triggered_at: Timestamp | None = None
    triggered_by: str | None = None  # who caused it
    tags: tuple[str, ...] | None = None
    created_at: Timestamp | None = None
    updated_at: Timestamp | None = None
    created_at_iso: IsoTimestamp | None = None
    updated_at_iso: IsoTimestamp | None = None


@attrs.frozen(kw_only=True)
class StencilRender(Model):
    """One rendered file."""

    filename: str
    content: str | None = None  # text of the file
    sequence: int | None = None  # position among the files


@attrs.frozen(kw_only=True)
class RenderIssue(Model):
    """A problem that was found while rendering."""

    severity: str | None = None  # for example `error` or `warning`; an open set
    text: str | None = None
    stencil: str | None = None  # stencil that has the problem
    link: str | None = None  # page that explains the problem


@attrs.frozen(kw_only=True)
class Renders(Model):
    """Rendered files, sorted by `sequence`, and the problems that were found."""

    stencils: tuple[StencilRender, ...] | None = None  # rendered files
    issues: tuple[RenderIssue, ...] | None = None
    requested_files: tuple[str, ...] | None = None  # names of the files that were requested

    def __attrs_post_init__(self) -> None:
        super().__attrs_post_init__()
        if self.stencils:
            # The API does not sort them.
            ordered = tuple(sorted(self.stencils, key=lambda stencil: stencil.sequence or 0))
            object.__setattr__(self, "stencils", ordered)

    @property
    def errors(self) -> tuple[RenderIssue, ...]:
        """The issues that are errors."""
        return tuple(issue for issue in self.issues or () if issue.severity == "error")

    @property
    def warnings(self) -> tuple[RenderIssue, ...]:
        """The issues that are warnings."""
        return tuple(issue for issue in self.issues or () if issue.severity == "warning")


LIST = get("/stacks/{stack}/snapshots.json", many(Snapshot))
RENDER = get(
    "/stacks/{stack}/snapshots/{snapshot}/formation/{formation}",
    Renders,
    query={"requested_files": list[str] | None, "use_latest": bool | None, "filter": str | None},
)


class Snapshots(Resource):
    """Snapshots of a stack (known from the official client)."""

    def list(self, stack: str) -> Pager[Snapshot]:
        """List the snapshots of the stack."""
        return self._pages(LIST.bind(stack=stack))

    async def render(
        self,
        stack: str,
        snapshot: str,
        formation: str,
        *,
        requested_files: Iterable[str] | None = None,
        use_latest: bool | None = None,
        filter: str | None = None,  # noqa: A002  the API's name
    ) -> Renders:
        """Return the files of a formation, rendered with a snapshot.

        Args:
            stack: uid of the stack.
            snapshot: uid of the snapshot, or `latest`.
            formation: uid of the formation.
            requested_files: Names of the files to render. The default is all of them.
            use_latest: Whether to render the latest stencils instead of those of the snapshot. The API's default is
                True.
            filter: Name of a filter of the formation.
        """
        return await self._call(
            RENDER.bind(
                stack=stack,
                snapshot=snapshot,
                formation=formation,
                requested_files=requested_files,
                use_latest=use_latest,
                filter=filter,
            )
        )
