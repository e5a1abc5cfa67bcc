"""A value of any wrong type, at any place: the message is in the words of YAML, and never in those of a library."""

import json
import re
import types
import typing
from decimal import Decimal

import pytest
from pydantic import StrictBool, TypeAdapter, ValidationError

from headscale_component.spec import HeadscaleArgs, SpecError, load_instances
from headscale_component.spec.config.root import PrefixesConfig
from headscale_component.spec.errors import inner_model, text_of
from headscale_component.spec.policy import PolicySpec
from headscale_component.spec.policy.rules import policy_problems
from headscale_core.values.versions import HeadscaleVersion

JUNK = (
    None, True, False, 0, -1, 3, 10**30, 0.5, float("nan"), float("inf"), "", "yes", "true", "5", "x", "a\nb",
    "é" * 200, [], ["x"], {}, {"x": "y"}, {"": 1}, {1: 2}, b"x", Decimal(1), object(),
)  # fmt: skip
FEW = (None, True, 3, "yes", [], {}, object())
FOREIGN = re.compile(
    r"[Ii]nput should|value_error|NoneType|\bdict|\btuple|\bstr\b|\bint\b|\bbool\b|\bfloat\b|"
    r"valid (string|integer|number|boolean|list)|\bNone\b|\bTrue\b|\bFalse\b|instance of|[Pp]ydantic|object at 0x|"
    r"<class|<object|Decimal\(|b'|"
    r"Traceback|Value error|Assertion|Spec\b|\bunable\b|validator|function-|literal\["
)


def places(annotation, path=()):
    """Yield the path of every key that the models know, with names of people's own in between."""
    model = inner_model(annotation)
    if model is None:
        return
    origin = typing.get_origin(annotation)
    if origin is typing.Annotated:
        yield from places(typing.get_args(annotation)[0], path)
    elif origin in {typing.Union, types.UnionType}:
        for kind in typing.get_args(annotation):
            yield from places(kind, path)
    elif origin is dict:
        yield from places(typing.get_args(annotation)[1], (*path, "/etc/x/y" if path[-1] == "files" else "x"))
    elif origin in {list, tuple}:
        yield from places(typing.get_args(annotation)[0], (*path, 0))
    else:
        for name, field in model.model_fields.items():
            here = (*path, field.alias or name)
            yield here
            yield from places(field.annotation, here)


def placed(path, value):
    for part in reversed(path):
        value = [value] if part == 0 else {part: value}
    return value


def messages(document):
    try:
        HeadscaleArgs.model_validate(document)
    except SpecError as error:
        return [problem.message for problem in error.problems]
    return []


NEWEST = HeadscaleVersion(0, 29)
PLACES = sorted(set(places(HeadscaleArgs)), key=str)


def test_every_section_has_a_place():
    sections = {path[0] for path in PLACES}

    assert sections >= {"config", "pod", "policy", "users", "preAuthKeys", "apiKeys", "files", "connection", "silence"}
    assert len(PLACES) > 200


@pytest.mark.parametrize("path", PLACES, ids=lambda path: ".".join(map(str, path)))
def test_type_error_is_in_yaml_words(path):
    for value in (*JUNK, *([junk] for junk in FEW), *({"x": junk} for junk in FEW)):
        for message in messages(placed(path, value)):
            assert not FOREIGN.search(message), (path, value, message)


def test_policy_file_error_is_in_yaml_words(tmp_path):
    file = tmp_path / "p.hujson"
    for path in PLACES:
        if path[0] != "policy" or len(path) < 2:
            continue
        for value in JUNK[:13]:
            file.write_text(json.dumps(placed(path[1:], value), default=str))
            for problem in policy_problems(PolicySpec(file=str(file)), {}, version=NEWEST, allow_undeclared_users=True):
                assert not FOREIGN.search(problem.message), (path, value, problem.message)


@pytest.mark.parametrize(
    "junk", [*JUNK[:-4], *({"vpn": junk} for junk in JUNK), *({junk: {}} for junk in (None, 1, True))]
)
def test_wrong_instances_are_told_in_yaml_words(junk):
    with pytest.raises(SpecError) as caught:
        load_instances(junk)

    assert not FOREIGN.search(str(caught.value))
    assert all(len(str(problem).splitlines()) >= 1 for problem in caught.value.problems)


KINDS = {
    "text": (str, 5, 'must be a text, not `5`; write it in quotes, `"5"`'),
    "text that is a flag": (str, True, 'must be a text, not `true`; write it in quotes, `"true"`'),
    "text that is nothing": (str, None, "must be a text, not `null`"),
    "flag": (StrictBool, "on", "must be `true` or `false`, not `on`, which is a text; write `true`"),
    "flag in other words": (bool, "maybe", "must be `true` or `false`, not `maybe`"),
    "number": (int, "many", "must be a whole number, not `many`"),
    "fraction": (int, 0.5, "must be a whole number, not `0.5`"),
    "any number": (float, "x", "must be a number, not `x`"),
    "list": (list[str], "x", "must be a list, not `x`; write `[x]`"),
    "list of an alias": (list[str], "*", 'must be a list, not `*`; write `["*"]`'),
    "list of ports": (list[str], "*:*", 'must be a list, not `*:*`; write `["*:*"]`'),
    "list of a tag": (list[str], "tag:x", "must be a list, not `tag:x`; write `[tag:x]`"),
    "list of a URL": (list[str], "https://a.b/c", "must be a list, not `https://a.b/c`; write `[https://a.b/c]`"),
    "list of two": (list[str], "a, b", 'must be a list, not `a, b`; write `["a, b"]`'),
    "section": (PrefixesConfig, ["100.64.0.0/10"], "must be a mapping, not a list"),
    "mapping": (dict[str, str], ["a", "b"], "must be a mapping, not a list; write `a: …` in place of `- a`"),
    "words": (typing.Literal["a", "b", "c"], "d", "must be `a`, `b` or `c`, not `d`"),
    "long value": (int, "x" * 99, "must be a whole number"),
    "control characters": (int, "a\x1bb", "must be a whole number, not `a\x1bb`"),
}


@pytest.mark.parametrize(("kind", "value", "text"), KINDS.values(), ids=KINDS)
def test_type_is_named_with_value_and_remedy(kind, value, text):
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(kind).validate_python(value)

    assert text_of(caught.value.errors()[0]) == text


def test_control_characters_of_values_are_escaped():
    with pytest.raises(SpecError) as caught:
        HeadscaleArgs.model_validate({"version": "v0.29.1", "config": {}, "replicas": "a\nall is well\x1b[31m"})

    assert "not `a\\nall is well\\x1b[31m`" in str(caught.value)


SECRETS = {
    "credentials in a URL": {"config": {"server_url": "ftp://u:hunter2@h"}},
    "credentials with spaces in a URL": {"config": {"acme_url": "https://us er:hunter2@h"}},
    "a password with spaces in a URL": {"config": {"derp": {"urls": ["https://user:hunter2 x`y@h"]}}},
    "a password with a slash in a URL": {"config": {"oidc": {"issuer": "https://user:hunter2/x@h y"}}},
    "credentials with spaces in an address": {"connection": {"channel": "direct", "address": "https://u:hunter2 x@h"}},
    "a key in place of its Secret's name": {"connection": {"apiKeySecret": "hskey-hunter2_X"}},
    "a secret in place of its Secret's name": {
        "config": {"oidc": {"client_secret": {"secretKeyRef": {"name": "hunter2_X", "key": "k"}}}}
    },
    "a secret of a wrong type": {"config": {"database": {"postgres": {"pass": ["hunter2"]}}}},
}


@pytest.mark.parametrize("document", SECRETS.values(), ids=SECRETS)
def test_secret_in_the_wrong_place_is_not_shown(document):
    assert messages(document)
    assert "hunter2" not in str(messages(document))
