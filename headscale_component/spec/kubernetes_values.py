"""Values that the API server checks by rules of its own, each with its source and what to write instead."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, StrictStr

from headscale_component.spec.model import is_output
from headscale_core.values import metadata

VARIABLE_NAME = r"[ -<>-~]+"
DATA_KEY = r"(?!\.\.)(?!\.$)[-._a-zA-Z0-9]{1,253}"
QUANTITY = r"([0-9]+(\.[0-9]*)?|\.[0-9]+)([numkMGTPE]|[KMGTPE]i|[eE][-+]?[0-9]+)?"

TEXT = r"[^\x7f-\x84\x86-\x9f\ufffe\uffff]*"
"""What the API server reads of a text in server-side apply, whose body is YAML: https://yaml.org/spec/1.2.2/#51-character-set."""

_HOST = r"(([A-Za-z0-9]|[A-Za-z0-9][-A-Za-z0-9]*[A-Za-z0-9])(\.([A-Za-z0-9]|[A-Za-z0-9][-A-Za-z0-9]*[A-Za-z0-9]))*"
_DOMAIN = rf"{_HOST}|\[[0-9a-fA-F:]+\])(:[0-9]+)?"
_PATH_PART = r"[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*"
_REPOSITORY = rf"({_DOMAIN}/)?{_PATH_PART}(/{_PATH_PART})*"
_DIGEST = r"@(sha256:[0-9a-f]{64}|sha384:[0-9a-f]{96}|sha512:[0-9a-f]{128})"
_TAG = r":[A-Za-z0-9_][-A-Za-z0-9_.]{0,127}"
REPOSITORY = rf"(?=.{{1,512}}$){_REPOSITORY}(({_TAG})?{_DIGEST})?"
IMAGE = rf"(?=.{{1,512}}$){_REPOSITORY}({_TAG})?({_DIGEST})?"
"""The grammar is that of https://github.com/distribution/reference/blob/main/regexp.go, with the digests of
https://github.com/opencontainers/go-digest/blob/master/algorithm.go."""


def variable_name(name: str) -> str:
    """Check the name of an environment variable: printable ASCII without `=`.

    Source: https://kubernetes.io/docs/tasks/inject-data-application/define-environment-variable-container/.
    """
    if re.fullmatch(VARIABLE_NAME, name):
        return name
    raise ValueError(f"`{name}` is no name of a variable: write printable letters without `=`, as `HTTPS_PROXY`")


def data_key(key: str) -> str:
    """Check a key of a Secret without repeating it: it may be the secret itself, pasted one line too low.

    Source: https://kubernetes.io/docs/concepts/configuration/secret/#restriction-names-data.
    """
    if re.fullmatch(DATA_KEY, key):
        return key
    raise ValueError(
        "is no key of a Secret or ConfigMap: at most 253 letters, digits, `-`, `_` and `.`, as `client-secret`; write "
        "the name under which the value stands there, not the value"
    )


def readable(text: str) -> str:
    """Check that the API server can read a text: the body of server-side apply is YAML.

    Source: https://yaml.org/spec/1.2.2/#51-character-set.
    """
    if re.fullmatch(TEXT, text):
        return text
    found = next(letter for letter in text if not re.fullmatch(TEXT, letter))
    raise ValueError(f"holds the control character U+{ord(found):04X}, which Kubernetes cannot read; leave it out")


def quantity(text: object) -> object:
    """Check an amount of a resource, as `50m` or `64Mi`; a bare number too.

    Source: https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/.
    """
    if is_output(text) or (isinstance(text, int | float) and not isinstance(text, bool) and text >= 0):
        return text
    if isinstance(text, str) and re.fullmatch(QUANTITY, text):
        return text
    raise ValueError(f"`{text}` is no amount; write for example `100m`, `1.5` or `128Mi`")


def repository(image: str) -> str:
    """Check an image without its tag; it may have a digest."""
    tag = image.rpartition("/")[2].partition(":")[2]
    if tag and "@" not in image:
        raise ValueError(f"`{image}` has a tag; write `{image.removesuffix(f':{tag}')}`, and the tag as `version`")
    return _image(image, REPOSITORY, "headscale/headscale")


def image(text: str) -> str:
    """Check an image, with tag or digest or neither.

    Source: https://kubernetes.io/docs/concepts/containers/images/.
    """
    return _image(text, IMAGE, "registry.example.com/name:tag")


def _image(text: str, pattern: str, example: str) -> str:
    if re.fullmatch(pattern, text):
        return text
    raise ValueError(
        f"`{text}` is no image: write a name in lower case, with its registry or without, as `{example}`, or with a "
        "digest, `name@sha256:…` of 64 hexadecimal digits"
    )


ReadableText = Annotated[StrictStr, AfterValidator(readable)]
Labels = Annotated[dict[str, StrictStr], AfterValidator(metadata.checked_labels)]
VariableName = Annotated[StrictStr, AfterValidator(variable_name)]
DataKey = Annotated[StrictStr, AfterValidator(data_key)]
ImageRepository = Annotated[StrictStr, AfterValidator(repository)]
Image = Annotated[StrictStr, AfterValidator(image)]
