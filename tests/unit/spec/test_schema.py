"""The JSON Schema of stack files and the models take and refuse the same documents."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from jsonschema import Draft202012Validator, ValidationError, validators

from headscale_component.schema import stack_schema
from headscale_component.spec import HeadscaleArgs, SpecError
from headscale_component.spec.errors import Problem
from headscale_component.spec.instances import ROOT
from headscale_component.spec.rules import RULES
from headscale_component.spec.valid_part import valid_part
from headscale_component.stack_file import load
from headscale_component.stack_file.encrypted import SECRET_PATHS, hide_encrypted
from headscale_component.stack_file.load import prepared
from tests.unit.spec.schema_examples import Grammar, changed

REPOSITORY = Path(__file__).parents[3]
SCHEMA = json.loads(stack_schema())

BETWEEN_FIELDS = {
    "check_version": "the numbers in a version are compared",
    "check_namespace": "an Output exists in a program alone",
    "check_key_owners": "a key refers to a name under `users`",
    "check_tags_only_keys": "what is allowed depends on `version`",
    "check_secret_names": "names in several sections are compared",
    "check_read_secrets": "names in several sections are compared",
    "check_rotations": "two durations are compared",
    "check_renewals": "two durations are compared",
    "check_user_names": "declarations of several users are compared, and what is allowed depends on `version`",
    "check_transport": "what is allowed depends on `version` and on other keys of `connection`",
    "check_policy_mode": "what is allowed depends on `config.policy.mode`",
    "check_policy": "a policy refers to its own names and to `users`, and its rules depend on `version`",
    "check_channel": "what is allowed depends on other keys of `connection`",
    "check_direct_address": "what is allowed depends on other keys of `connection`",
    "check_paths_exist": "a path refers to a name under `files` or to a mount",
    "check_config": "keys of the configuration exclude or need each other, and depend on `version`",
    "check_namespace_labels": "labels need `createNamespace`",
    "check_inline_files": "the sizes of all files are added up",
    "check_volumes": "names of several volumes are compared",
    "check_each_volume": "exactly one of thirty sources is given",
    "check_containers": "names of several containers are compared",
    "check_each_container": "Kubernetes' own schema says nothing of the syntax of names and images",
    "check_each_toleration": "fields of one toleration need or exclude each other",
    "check_pull_secrets": "items of a list are compared after their defaults",
    "check_ports": "ports of several sections are compared",
    "check_ports_of_containers": "ports of several sections are compared",
    "check_acme_port": "ports of several sections are compared",
    "check_reached": "hosts are parsed, and a listener matters only where its section is in use",
    "check_metrics_address": "what is allowed depends on `version`",
    "check_image_tag": "the tag and `version` are compared",
    "check_mounts": "a mount refers to the name of a volume",
    "check_mounts_of_containers": "a mount refers to the name of a volume",
}
"""The rules between fields, by what a schema cannot say of them."""

OF_VALUES = {
    r"is over before it begins|is less than a second|more than a hundred years|more than 292 years": "arithmetic",
    r"is too short: Headscale wants more than|must be above 0": "the arithmetic of durations",
    r"is no range of|is no IP address|is no nameserver": "the arithmetic of addresses",
    r"must begin with http:// or https:// and name a host|is no URL": "URLs are parsed",
    r"in the path of a socket": "bytes of a text in UTF-8",
    r"is no user name|is how a policy writes the name": "which characters are letters in any script",
    r"reads the name in lower case": "which characters are capitals in any script",
    r"is no user id|Headscale's id of the user": "a number that is written as a text is compared",
    r"needs exactly one of": "exactly one of several keys that may be null",
    r"is no name of a file or folder in a volume: at most 255 bytes": "bytes of a text in UTF-8",
    r"bytes together; Kubernetes takes": "the sizes of several texts are added up",
    r"is the ServiceAccount of every pod": "a name that is refused with `apiKey.autoManage` alone",
    r"is the API server's own Service": "a name that is refused in one namespace alone",
    r"not -?[0-9.e+]+\.0$|not \d\.\d+e": "1.0 is an integer in JSON Schema",
}
"""Rules of single values that a schema cannot say, by the messages, with the reason."""


def ecma(_: Any, pattern: str, text: object, __: object) -> Any:
    """Yield an error for a text that a pattern refuses; `$` is the end alone, as it is in JavaScript."""
    if isinstance(text, str) and not re.search(pattern.replace("$", r"\Z"), text):
        yield ValidationError(f"{text!r} is not of {pattern}")


CHECK = validators.extend(Draft202012Validator, {"pattern": ecma})(SCHEMA)


def refused_by_schema(instances: object) -> list[str]:
    found = CHECK.iter_errors({"config": {ROOT: instances}})
    return [f"{error.json_path}: {error.message[:300]}" for error in found]


def refused_by_models(instances: object) -> list[Problem]:
    try:
        load(hide_encrypted(instances))
    except SpecError as error:
        return list(error.problems)
    return []


def between_fields(instances: dict[str, Any]) -> set[tuple[Any, ...]]:
    """Return the problems of an instance that rules between fields find."""
    ((name, written),) = prepared(hide_encrypted(instances)).items()
    part = valid_part(HeadscaleArgs, written)
    rules = [rule for rule in RULES if rule.__name__ in BETWEEN_FIELDS]
    return {(ROOT, name, *problem.path) for rule in rules for problem in rule(part)}


def unexplained(instances: dict[str, Any]) -> list[str]:
    """Return how schema and models differ, but for what a schema cannot say."""
    schema, models = refused_by_schema(instances), refused_by_models(instances)
    if schema and not models:
        return schema
    if schema or not models:
        return []
    explained = between_fields(instances)
    return [
        str(problem)
        for problem in models
        if problem.path not in explained and not any(re.search(rule, problem.message) for rule in OF_VALUES)
    ]


GRAMMAR = Grammar(SCHEMA)
DETERMINISTIC = settings(deadline=None, derandomize=True, database=None, max_examples=150)


@DETERMINISTIC
@given(GRAMMAR.instances)
def test_models_take_what_the_schema_takes(instance):
    assert refused_by_schema({"vpn": instance}) == []
    assert unexplained({"vpn": instance}) == []


@DETERMINISTIC
@given(changed(GRAMMAR.instances))
def test_models_and_schema_agree_on_one_change(instance):
    assert unexplained({"vpn": instance}) == []


POLICIES = {
    "lists with nothing in them": {
        "groups": {"group:a": None},
        "tagOwners": {"tag:a": None},
        "autoApprovers": {"routes": {"10.0.0.0/8": None}, "exitNode": None},
    },
    "a note": {"acls": [{"#": "a note", "action": "accept", "src": ["*"], "dst": ["*:*"]}]},
    "spaces around an action": {"ssh": [{"action": " accept ", "src": [], "dst": [], "users": ["root"]}]},
    "a period without a unit": {"ssh": [{"action": "check", "src": [], "dst": [], "users": [], "checkPeriod": 0}]},
}


@pytest.mark.parametrize("policy", POLICIES.values(), ids=POLICIES)
def test_schema_takes_policies_that_are_taken(policy):
    instance = {"version": "v0.28.0", "config": {"server_url": "https://vpn.example.com"}, "policy": policy}

    assert refused_by_models({"vpn": instance}) == []
    assert refused_by_schema({"vpn": instance}) == []


def test_every_rule_between_fields_is_explained():
    assert BETWEEN_FIELDS.keys() == {rule.__name__ for rule in RULES} - {"check_replicas"}


@pytest.mark.parametrize("name", ["vpn", "v", "1vpn", "Vpn", "a" * 40, "a" * 41, "a-", "a\n", "", "a.b"])
def test_names_of_instances_are_refused_alike(name):
    instances = {name: {"version": "v0.29.1", "config": {"server_url": "https://vpn.example.com"}}}

    assert bool(refused_by_schema(instances)) == bool(refused_by_models(instances))


def placed(path: tuple[str, ...], value: Any) -> Any:
    for part in reversed(path):
        value = {part: value}
    return value


def places_of_secrets(schema: Any, path: tuple[str, ...] = ()) -> set[tuple[str, ...]]:
    """Return where the schema offers an encrypted value; in documented keys."""
    if "$ref" in schema:
        return places_of_secrets(SCHEMA["$defs"][schema["$ref"].rpartition("/")[2]], path)
    found = {path} if "secure" in schema.get("properties", {}) else set()
    for word in ("anyOf", "oneOf"):
        found |= {place for choice in schema.get(word, ()) for place in places_of_secrets(choice, path)}
    if len(path) < 5:
        for key, inner in schema.get("properties", {}).items():
            found |= places_of_secrets(inner, (*path, key)) if key != "secure" else set()
    return found


def test_encrypted_values_are_offered_where_they_are_taken():
    offered = places_of_secrets(SCHEMA["$defs"]["HeadscaleArgs"])

    assert {path for path in offered if path[-1] != "pass_"} == set(SECRET_PATHS)


DOCUMENTS = [
    *sorted((REPOSITORY / "stacks").glob("Pulumi.*.yaml")),
    *sorted((REPOSITORY / "examples").glob("**/Pulumi.*.yaml")),
]


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_schema_takes_stack_files(path):
    assert [error.message for error in CHECK.iter_errors(yaml.safe_load(path.read_text()))] == []


def blocks(page: Path) -> list[Any]:
    """Return the instances in the YAML of a page."""
    texts = re.findall(r"```yaml\n(.*?)```", page.read_text(), re.DOTALL)
    found = [document for text in texts for document in yaml.safe_load_all(text)]
    return [document for document in found if isinstance(document, dict) and ROOT in document.get("config", {})]


@pytest.mark.parametrize("page", [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").glob("*.md"))], ids=str)
def test_schema_takes_examples_of_pages(page):
    for document in blocks(page):
        assert [error.message for error in CHECK.iter_errors(document)] == []
