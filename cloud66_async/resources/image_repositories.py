"""Image repositories: registries from which Cloud 66 pulls the Docker images of an account."""

from __future__ import annotations

import attrs

from .._core.model import IsoTimestamp, Model, Timestamp
from ..operation import delete, get, many, post, put
from ..pager import Pager
from ..secret import Secret, conceal
from ._resource import Resource
from .common import Outcome

__all__ = ["ImageRepositories", "ImageRepository"]


@attrs.frozen(kw_only=True)
class ImageRepository(Model):
    """The login at one registry. The API does not return its password."""

    id: int
    url: str | None = None
    username: str | None = None
    email: str | None = None
    created_at: Timestamp | None = None
    updated_at: Timestamp | None = None
    created_at_iso: IsoTimestamp | None = None
    updated_at_iso: IsoTimestamp | None = None


_REPOSITORY = {"url": str, "email": str, "username": str, "password": Secret}

LIST = get("/image_repositories.json", many(ImageRepository), scope="admin")
GET = get("/image_repositories/{image_repository:int}.json", ImageRepository, scope="admin")
CREATE = post("/image_repositories.json", ImageRepository, scope="admin", body=_REPOSITORY)
UPDATE = put("/image_repositories/{image_repository:int}.json", ImageRepository, scope="admin", body=_REPOSITORY)
DELETE = delete("/image_repositories/{image_repository:int}.json", Outcome, scope="admin")


class ImageRepositories(Resource):
    """Docker image repositories of the account."""

    def list(self) -> Pager[ImageRepository]:
        """List the image repositories."""
        return self._pages(LIST.bind())

    async def get(self, image_repository: int) -> ImageRepository:
        """Return the image repository with this ID."""
        return await self._call(GET.bind(image_repository=image_repository))

    async def create(self, *, url: str, email: str, username: str, password: str | Secret) -> ImageRepository:
        """Add an image repository with its login. Return it."""
        password = conceal(password)
        return await self._call(CREATE.bind(url=url, email=email, username=username, password=password))

    async def update(
        self, image_repository: int, *, url: str, email: str, username: str, password: str | Secret
    ) -> ImageRepository:
        """Replace the login of an image repository, every value of it. Return the image repository."""
        password = conceal(password)
        return await self._call(
            UPDATE.bind(image_repository=image_repository, url=url, email=email, username=username, password=password)
        )

    async def delete(self, image_repository: int) -> Outcome:
        """Delete an image repository."""
        return await self._call(DELETE.bind(image_repository=image_repository))
