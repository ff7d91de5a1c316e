from __future__ import annotations

from cloud66_async import Cloud66, Secret


async def main(c66: Cloud66) -> None:
    """Add a registry that Cloud 66 may pull from."""
    repository = await c66.image_repositories.create(
        url="https://registry.example.com/v2/",
        email="docker@example.com",
        username="acme",
        password=Secret("..."),
    )
    print(repository.id)


async def change_password(c66: Cloud66) -> None:
    """Change the password of each login. The API expects the other values, too."""
    for found in await c66.image_repositories.list():
        repository = await c66.image_repositories.get(found.id)
        await c66.image_repositories.update(
            repository.id,
            url=repository.url or "",
            email=repository.email or "",
            username=repository.username or "",
            password=Secret("..."),
        )


async def delete(c66: Cloud66) -> None:
    """Delete the logins of a user."""
    for repository in await c66.image_repositories.list():
        if repository.username == "acme":
            await c66.image_repositories.delete(repository.id)
