"""Inputs that were wrongly judged once: stack files of one instance or several, with a policy or a configuration.

The version in a file's name is where it went wrong; all versions are asked of each.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import yaml

from headscale_component.spec.policy.model import OURS
from tests.truth.case import Case

_FOLDER = Path(__file__).parent


def cases() -> Iterator[Case]:
    for file in sorted(_FOLDER.glob("*.yaml")):
        for name, instance in yaml.safe_load(file.read_text())["config"]["headscale:instances"].items():
            if "policy" in instance:
                text = _policy_text(instance["policy"])
                yield Case("cases", file.stem, text, users=instance.get("users") or {})
            else:
                yield Case("cases", f"{file.stem} {name}", json.dumps(instance["config"]), kind="config")


def _policy_text(policy: dict[str, object]) -> str:
    if "file" in policy:
        # As Headscale gets it, with the byte order mark where there is one.
        return (_FOLDER / str(policy["file"])).read_bytes().decode()
    return json.dumps({key: value for key, value in policy.items() if key not in OURS})
