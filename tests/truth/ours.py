"""What is said here against a policy or a configuration, before anything is registered."""

import json
from pathlib import Path
from typing import Any

from headscale_component import SpecError
from headscale_component.manifests.config_yaml import config_tree, to_yaml
from headscale_component.spec import HeadscaleArgs
from headscale_component.spec.policy import policy_text
from tests.truth.case import Case
from tests.truth.engine import VERSIONS

_CONFIG: dict[str, Any] = {"server_url": "https://vpn.example.com"}
_PROVIDER = {"issuer": "https://id.example.com", "client_id": "headscale", "client_secret_path": "/var/lib/headscale/s"}


def said_of_policy(version: str, case: Case, folder: Path) -> tuple[str | None, str]:
    """Return the problems of a policy, one per line, None for none, and the text that Headscale would get."""
    file = folder / "policy.hujson"
    file.write_bytes(case.text.encode())
    instance = {
        "version": VERSIONS[version],
        "config": {**_CONFIG, "oidc": _PROVIDER} if case.others else _CONFIG,
        "users": case.users,
        "policy": json.loads(case.text) if case.inline else {"file": str(file)},
    }
    try:
        policy = HeadscaleArgs.model_validate(instance).policy
    except SpecError as error:
        return str(error).replace(f"`{file}`, ", "").replace(f"`{file}`", "the file"), case.text
    return None, policy_text(policy)


def said_of_config(version: str, case: Case) -> tuple[str | None, str]:
    """Return the problems of a configuration, None for none, and the YAML that Headscale would read."""
    config = json.loads(case.text)
    try:
        instance = HeadscaleArgs.model_validate({"version": VERSIONS[version], "config": config})
    except SpecError as error:
        return str(error), to_yaml(_merged(_defaults(version), config))
    return None, to_yaml(config_tree(instance))


def _defaults(version: str) -> Any:
    """Return what is written where nothing but the URL is said."""
    return config_tree(HeadscaleArgs.model_validate({"version": VERSIONS[version], "config": _CONFIG}))


def _merged(defaults: Any, written: Any) -> Any:
    if isinstance(defaults, dict) and isinstance(written, dict):
        return {
            **defaults,
            **{key: _merged(defaults.get(key), value) for key, value in written.items()},
        }
    return written
