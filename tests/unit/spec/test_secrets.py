"""A secret at each place that takes one: it is in no message, in no `repr`, and in nothing that is rendered."""

import typing
from collections.abc import Iterator

import pulumi
import pytest
from pydantic import ValidationError, WithJsonSchema

from headscale_component import HeadscaleArgs, SpecError
from headscale_component.render import documents, to_yaml
from headscale_component.spec.config.oidc import OidcConfig
from headscale_component.spec.config.references import KeyReference
from headscale_component.spec.connection import ConnectionSpec
from headscale_component.spec.model import ENCRYPTED_SCHEMA, EncryptedValue, SpecModel

MARKER = "hunter2"
BY_NAME = {"files": "/etc/extra/file", "env": "TOKEN", "preAuthKeys": "ci", "apiKeys": "ui", "users": "alice"}
VALID = {
    "version": "v0.29.3",
    "config": {
        "server_url": "https://vpn.example.com",
        "database": {"type": "postgres", "postgres": {"host": "db", "name": "h", "user": "h"}},
        "oidc": {
            "issuer": "https://id.example.com",
            "client_id": "h",
            "client_secret": {"secretKeyRef": {"name": "oidc", "key": "k"}},
        },
    },
    "connection": {"channel": "direct", "address": "https://vpn.example.com", "apiKeySecret": "key"},
}


def parts_of(annotation: object) -> Iterator[object]:
    """Yield an annotation and everything in it."""
    yield annotation
    for part in (*typing.get_args(annotation), *getattr(annotation, "__metadata__", ())):
        yield from parts_of(part)


def models_in(annotation: object) -> list[type[SpecModel]]:
    return [part for part in parts_of(annotation) if isinstance(part, type) and issubclass(part, SpecModel)]


def takes_encrypted(field) -> bool:
    marks = [*parts_of(field.annotation), *field.metadata]
    return any(isinstance(mark, WithJsonSchema) and mark.json_schema == ENCRYPTED_SCHEMA for mark in marks)


def places(model=HeadscaleArgs, path=()) -> Iterator[tuple[tuple[str, ...], bool]]:
    """Yield each place that takes a secret, and whether it refuses one in clear."""
    for name, field in model.model_fields.items():
        key = field.alias or name
        here = (*path, key, BY_NAME[key]) if key in BY_NAME else (*path, key)
        if takes_encrypted(field):
            yield here, True
        for inner in models_in(field.annotation):
            if "secret_key_ref" in inner.model_fields:
                in_clear = str in parts_of(field.annotation) or int in parts_of(field.annotation)
                yield here, not in_clear and key not in BY_NAME
            if inner is not model and inner is not KeyReference:
                yield from places(inner, here)


PLACES = dict(places())
SECRETS = [path for path, is_secret in PLACES.items() if is_secret]
REFERENCES = [path for path in PLACES if path[-1] not in ("apiKey", "kubeconfig", "secretKeyRef")]


def with_value(path, value, tree=VALID):
    """Return a valid instance with a value at a path."""
    if not path:
        return value
    below = tree.get(path[0], {}) if isinstance(tree, dict) else {}
    return {**(tree if isinstance(tree, dict) else {}), path[0]: with_value(path[1:], value, below)}


def beside(path):
    """Return the path of an unknown key beside a place."""
    return (*path[:-1], "hostt")


def refusal(document) -> str:
    with pytest.raises(SpecError) as caught:
        HeadscaleArgs.model_validate(document)
    assert caught.value.__cause__ is None
    return f"{caught.value} {caught.value!r}"


def named(path):
    return ".".join(path)


def test_places_of_secrets_are_found():
    assert {path[-1] for path in SECRETS} >= {"client_secret", "pass", "apiKey"}
    assert {path[-1] for path in REFERENCES} >= {"client_id", "host", "name", "user", "TOKEN", "/etc/extra/file"}


@pytest.mark.parametrize("path", SECRETS, ids=named)
@pytest.mark.parametrize("value", [MARKER, [MARKER], {MARKER: None}, {"value": MARKER}], ids=str)
def test_secret_in_clear_is_refused_without_echo(path, value):
    assert MARKER not in refusal(with_value(path, value))


@pytest.mark.parametrize("path", REFERENCES, ids=named)
@pytest.mark.parametrize(
    "reference",
    [MARKER, {"name": f"{MARKER}_X", "key": "k"}, {"name": "n", "key": f"{MARKER} X"}, {"name": [MARKER]}],
    ids=str,
)
def test_secret_in_a_reference_is_not_echoed(path, reference):
    assert MARKER not in refusal(with_value(path, {"secretKeyRef": reference}))


@pytest.mark.parametrize("path", SECRETS, ids=named)
def test_secret_of_a_program_shows_nowhere(event_loop, path):
    document = with_value(path, pulumi.Output.secret(MARKER))

    spec = HeadscaleArgs.model_validate(document)

    assert MARKER not in repr(spec)
    assert MARKER not in str(spec)
    assert MARKER not in refusal(with_value(beside(path), 1, document))


@pytest.mark.parametrize("path", SECRETS, ids=named)
def test_encrypted_value_is_rendered_without_its_text(path):
    spec = HeadscaleArgs.model_validate(with_value(path, EncryptedValue()))

    assert MARKER not in to_yaml(documents("vpn", spec))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("connection", "kubeconfig"), MARKER),
        (("pod", "env", "TOKEN"), MARKER),
        (("files", "/etc/extra/file"), {"inline": MARKER}),
    ],
    ids=str,
)
def test_possible_secret_is_not_in_repr(path, value):
    document = with_value(path, value)

    assert MARKER not in repr(HeadscaleArgs.model_validate(document))
    assert MARKER not in refusal(with_value(("replicas",), "many", document))


@pytest.mark.parametrize("model", [OidcConfig, ConnectionSpec])
def test_validation_error_of_a_section_hides_its_input(model):
    with pytest.raises(ValidationError) as caught:
        model.model_validate({"client_secret": MARKER, "apiKey": MARKER, "issuer": [MARKER]})

    assert MARKER not in str(caught.value)
    assert MARKER not in repr(caught.value)


ADDRESSES = {
    "server URL": (("config", "server_url"), f"postgres://u:{MARKER}@h"),
    "server URL of HTTP": (("config", "server_url"), f"https://u:{MARKER}@h"),
    "issuer": (("config", "oidc", "issuer"), f"ftp://u:{MARKER}@h"),
    "ACME": (("config", "acme_url"), f"ftp://u:{MARKER}@h"),
    "relay map": (("config", "derp"), {"urls": [f"ftp://u:{MARKER}@h"]}),
    "nameserver": (("config", "dns", "nameservers"), {"global": [f"tls://u:{MARKER}@h"]}),
    "direct address": (("connection", "address"), f"https://u:{MARKER}@host:1/x y"),
    "direct address without scheme": (("connection", "address"), f"u:{MARKER}@host"),
    "API key for its Secret": (("connection", "apiKeySecret"), f"hskey-api-{MARKER}_X"),
}


@pytest.mark.parametrize(("path", "value"), ADDRESSES.values(), ids=ADDRESSES)
def test_credentials_of_an_address_are_not_echoed(path, value):
    assert MARKER not in refusal(with_value(path, value))
