"""Build hook: a software bill of materials (SBOM) in the wheel, in the format of CycloneDX."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

_NAME = "cloud66_async.cdx.json"


class SBOMHook(BuildHookInterface):
    """Adds the SBOM to wheels. It has no time and no random number, so that equal sources make equal wheels."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Write the SBOM beside the wheel that is about to be built."""
        if self.target_name != "wheel" or version == "editable":
            return
        path = Path(self.directory, _NAME)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(self._document(), indent=2) + "\n", encoding="utf-8")
        build_data["sbom_files"].append(str(path))

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:  # noqa: ARG002
        """Remove the file: the wheel has a copy."""
        Path(self.directory, _NAME).unlink(missing_ok=True)

    def _document(self) -> dict[str, Any]:
        metadata = self.metadata
        package = f"pkg:pypi/{metadata.name}@{metadata.version}"
        required = [Requirement(text) for text in metadata.core.dependencies]
        names = {canonicalize_name(one.name) for one in required}
        # What users may install. The other extras are for work on this package.
        chosen = [Requirement(text) for text in metadata.core.optional_dependencies["all"]]
        optional = {name: one for one in chosen if (name := canonicalize_name(one.name)) not in names}
        components = [_component(one, "required") for one in required]
        components += [_component(one, "optional") for _, one in sorted(optional.items())]
        return {
            "bomFormat": "CycloneDX",
            "specVersion": "1.7",
            "version": 1,
            "metadata": {
                "component": {
                    "type": "library",
                    "bom-ref": package,
                    "name": metadata.name,
                    "version": metadata.version,
                    "description": metadata.core.description,
                    "licenses": [{"license": {"id": metadata.core.license_expression}}],
                    "purl": package,
                }
            },
            "components": components,
            "dependencies": [{"ref": package, "dependsOn": [one["bom-ref"] for one in components]}],
        }


def _component(requirement: Requirement, scope: str) -> dict[str, Any]:
    """Return a package that the wheel requires but does not contain: pip chooses its version."""
    package = f"pkg:pypi/{canonicalize_name(requirement.name)}"
    found: dict[str, Any] = {
        "type": "library",
        "bom-ref": package,
        "name": requirement.name,
        "scope": scope,
        "isExternal": True,
        "purl": package,
    }
    if requirement.specifier:
        bounds = sorted(requirement.specifier, key=lambda bound: bound.version)
        found["versionRange"] = "vers:pypi/" + "|".join(f"{bound.operator}{bound.version}" for bound in bounds)
    return found
