"""What a person may wait for by `pulumi.com/waitFor`: paths and conditions (3.3 of what was seen)."""

from __future__ import annotations

import json
import re

from lab.standins.kubernetes_provider.values import Tree

_PATH = re.compile(r"jsonpath=\{((?:\.[A-Za-z0-9_-]+)+)\}(?:=(.*))?")
_CONDITION = re.compile(r"condition=([A-Za-z]+)(?:=([A-Za-z]+))?")


def unmet(annotation: str, live: Tree) -> list[str]:
    """Return what of an annotation is not so yet.

    Args:
        annotation: One expression, or a JSON list of them: `jsonpath={.status.phase}=Bound` (without a value: is there
            at all) or `condition=Ready` (with a value: has this status).
        live: The object as it is.
    """
    expressions = json.loads(annotation) if annotation.lstrip().startswith("[") else [annotation]
    return [problem for expression in expressions if (problem := _unmet(str(expression), live))]


def _unmet(expression: str, live: Tree) -> str | None:
    if match := _PATH.fullmatch(expression):
        path, wanted = match.groups()
        found: object = live
        for key in path.removeprefix(".").split("."):
            found = found.get(key) if isinstance(found, dict) else None
        if found is None:
            return f"{{{path}}} selected nothing"
        shown = found if isinstance(found, str) else json.dumps(found)
        return f'Waiting for {{{path}}}={wanted} (found "{shown}")' if wanted not in (None, shown) else None
    if match := _CONDITION.fullmatch(expression):
        kind, status = match.group(1), match.group(2) or "True"
        conditions = {each.get("type"): each.get("status") for each in live.get("status", {}).get("conditions", [])}
        if not conditions:
            return "Has no .status.conditions"
        return None if conditions.get(kind) == status else f"Waiting for condition {kind}={status}"
    return f'expected a "jsonpath=" or "condition=" prefix: {expression}'
