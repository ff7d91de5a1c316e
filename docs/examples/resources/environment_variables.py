from __future__ import annotations

from cloud66_async import Cloud66, Secret


async def main(c66: Cloud66, stack: str) -> None:
    """Give a stack the variables that it should have, whatever it has now."""
    plan = await c66.environment_variables.plan(
        stack, {"LOG_LEVEL": "info", "WORKERS": "4"}
    )
    print(plan)
    if plan:
        result = await c66.environment_variables.apply(plan, apply_strategy="deployment")
        print("started:", [action.action for action in result.actions])


async def copy(c66: Cloud66, stack: str) -> None:
    """Give the staging environment the secret key of another stack."""
    staging = await c66.stacks.find("web", environment="staging")
    plan = await c66.environment_variables.plan_copy(
        stack, staging.uid, only=["SECRET_KEY_BASE"]
    )
    await c66.environment_variables.apply(plan)


async def one_variable(c66: Cloud66, stack: str) -> None:
    """Create one variable, change it, and delete it."""
    creating = await c66.environment_variables.create(stack, "LOG_LEVEL", value="info")
    await c66.actions.wait(creating)
    changing = await c66.environment_variables.update(
        stack, "LOG_LEVEL", value="debug", apply_strategy="immediately"
    )
    await c66.actions.wait(changing)
    await c66.environment_variables.delete(stack, "LOG_LEVEL")


async def history(c66: Cloud66, stack: str) -> None:
    """Show when a variable was changed."""
    for listed in await c66.environment_variables.list(stack):
        if listed.key == "RAILS_ENV" and listed.id is not None:
            variable = await c66.environment_variables.get(stack, listed.id)
            print(variable.key, [version.updated_at for version in variable.history or ()])


async def file(c66: Cloud66, stack: str) -> None:
    """Download the user's variables as a dotenv file, add a line, and upload it."""
    saved = await c66.environment_variables.download(stack, requested_types=["user"])
    contents = Secret(saved.reveal() + "\nWORKERS=4\n")
    replacing = await c66.environment_variables.replace_all(
        stack, contents=contents, environments_format="dotenv"
    )
    await c66.actions.wait(replacing)


async def several(c66: Cloud66, stack: str) -> None:
    """Change two variables with one request, and keep all others."""
    changing = await c66.environment_variables.update_all(
        stack, contents='{"WORKERS": 4, "LOG_LEVEL": "info"}', environments_format="json"
    )
    await c66.actions.wait(changing)
