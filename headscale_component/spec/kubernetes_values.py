"""Values that the API server checks by rules of its own, each with its source and what to write instead."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, TypeVar

from pydantic import AfterValidator, BeforeValidator, StrictStr

from headscale_component.spec.model import is_output

V = TypeVar("V")

LABELS_URL = "https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/"
ANNOTATIONS_URL = "https://kubernetes.io/docs/concepts/overview/working-with-objects/annotations/"
QUANTITY_URL = "https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/"
IMAGES_URL = "https://kubernetes.io/docs/concepts/containers/images/"

MAX_ANNOTATIONS_BYTES = 256 * 1024
"""Names and values together:
https://github.com/kubernetes/kubernetes/blob/v1.36.0/staging/src/k8s.io/apimachinery/pkg/api/validation/objectmeta.go."""

_SUBDOMAIN = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*"
_NAME_PART = r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"
QUALIFIED_NAME = rf"((?=[^/]{{1,253}}/){_SUBDOMAIN}/)?{_NAME_PART}"
LABEL_VALUE = rf"({_NAME_PART})?"
VARIABLE_NAME = r"[-._a-zA-Z][-._a-zA-Z0-9]*"
DATA_KEY = r"(?!\.\.)(?!\.$)[-._a-zA-Z0-9]{1,253}"
QUANTITY = r"([0-9]+(\.[0-9]*)?|\.[0-9]+)([numkMGTPE]|[KMGTPE]i|[eE][-+]?[0-9]+)?"

TEXT = r"[^\x7f-\x84\x86-\x9f\ufffe\uffff]*"
"""What the API server reads of a text in server-side apply, whose body is YAML: https://yaml.org/spec/1.2.2/#51-character-set."""

_HOST = r"(([A-Za-z0-9]|[A-Za-z0-9][-A-Za-z0-9]*[A-Za-z0-9])(\.([A-Za-z0-9]|[A-Za-z0-9][-A-Za-z0-9]*[A-Za-z0-9]))*"
_DOMAIN = rf"{_HOST}|\[[0-9a-fA-F:]+\])(:[0-9]+)?"
_PATH_PART = r"[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*"
_REPOSITORY = rf"({_DOMAIN}/)?{_PATH_PART}(/{_PATH_PART})*"
_DIGEST = r"@[A-Za-z][A-Za-z0-9]*([-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}"
_TAG = r":[A-Za-z0-9_][-A-Za-z0-9_.]{0,127}"
REPOSITORY = rf"(?=.{{1,512}}$){_REPOSITORY}(({_TAG})?{_DIGEST})?"
IMAGE = rf"(?=.{{1,512}}$){_REPOSITORY}({_TAG})?({_DIGEST})?"
"""The grammar is that of https://github.com/distribution/reference/blob/main/regexp.go."""


def checked_labels(values: Mapping[str, str]) -> Mapping[str, str]:
    """Check labels: the syntax of their names and values."""
    for name, value in values.items():
        _qualified_name(name, "label", LABELS_URL)
        if not re.fullmatch(LABEL_VALUE, value):
            raise ValueError(
                f"`{name}: {value!r}` is no label: a value has at most 63 of A-Z, a-z, 0-9, `-`, `_` and `.`, and "
                f"begins and ends with a letter or digit ({LABELS_URL})"
            )
    return values


def checked_annotations(values: Mapping[str, V]) -> Mapping[str, V]:
    """Check annotations: the syntax of their names, and how much they are together."""
    for name in values:
        _qualified_name(name.lower(), "annotation", ANNOTATIONS_URL)
    texts = [text for pair in values.items() for text in pair if isinstance(text, str)]
    total = sum(len(text.encode(errors="replace")) for text in texts)
    if total > MAX_ANNOTATIONS_BYTES:
        raise ValueError(
            f"are {total} bytes together; Kubernetes takes {MAX_ANNOTATIONS_BYTES} ({ANNOTATIONS_URL}); write less"
        )
    return values


def _qualified_name(name: str, what: str, url: str) -> None:
    if not re.fullmatch(QUALIFIED_NAME, name):
        raise ValueError(
            f"{name!r} cannot name {'an' if what[0] == 'a' else 'a'} {what}: write at most 63 of A-Z, a-z, 0-9, `-`, "
            f"`_` and `.`, with a domain and `/` before it or without, as `example.com/team` ({url})"
        )


def variable_name(name: str) -> str:
    """Check the name of an environment variable, so that clusters of every version take it."""
    if re.fullmatch(VARIABLE_NAME, name):
        return name
    raise ValueError(
        f"{name!r} cannot name a variable: write letters, digits, `_`, `-` and `.`, not beginning with a digit, as "
        "`TZ` (https://kubernetes.io/docs/tasks/inject-data-application/define-environment-variable-container/)"
    )


def data_key(key: str) -> str:
    """Check the name of a value in a Secret or ConfigMap."""
    if re.fullmatch(DATA_KEY, key):
        return key
    raise ValueError(
        f"{key!r} is no key of a Secret or ConfigMap: write letters, digits, `-`, `_` and `.`, as `tls.crt` "
        "(https://kubernetes.io/docs/concepts/configuration/secret/#restriction-names-data)"
    )


def readable(text: str) -> str:
    """Check that the API server can read a text."""
    if re.fullmatch(TEXT, text):
        return text
    found = next(letter for letter in text if not re.fullmatch(TEXT, letter))
    raise ValueError(
        f"holds the control character U+{ord(found):04X}, which Kubernetes cannot read "
        "(https://yaml.org/spec/1.2.2/#51-character-set); leave it out"
    )


def quantity(text: object) -> object:
    """Check an amount of a resource, as `50m` or `64Mi`; a bare number too."""
    if is_output(text) or (isinstance(text, int | float) and not isinstance(text, bool) and text >= 0):
        return text
    if isinstance(text, str) and re.fullmatch(QUANTITY, text):
        return text
    raise ValueError(f"{text!r} is no quantity; write for example `50m`, `1.5` or `64Mi` ({QUANTITY_URL})")


def repository(image: str) -> str:
    """Check an image without its tag; it may have a digest."""
    tag = image.rpartition("/")[2].partition(":")[2]
    if tag and "@" not in image:
        raise ValueError(f"`{image}` has a tag; write `{image.removesuffix(f':{tag}')}`, and the tag as `version`")
    return _image(image, REPOSITORY, "headscale/headscale")


def image(text: str) -> str:
    """Check an image, with tag or digest or neither."""
    return _image(text, IMAGE, "registry.example.com/name:tag")


def _image(text: str, pattern: str, example: str) -> str:
    if re.fullmatch(pattern, text):
        return text
    raise ValueError(
        f"{text!r} is no image: write a name in lower case, with its registry or without, as `{example}`, or with a "
        f"digest, `name@sha256:…` of 64 hexadecimal digits ({IMAGES_URL})"
    )


ReadableText = Annotated[StrictStr, AfterValidator(readable)]
Labels = Annotated[dict[str, StrictStr], AfterValidator(checked_labels)]
VariableName = Annotated[StrictStr, AfterValidator(variable_name)]
DataKey = Annotated[StrictStr, AfterValidator(data_key)]
ImageRepository = Annotated[StrictStr, AfterValidator(repository)]
Image = Annotated[StrictStr, AfterValidator(image)]
ResourceQuantity = Annotated[object, BeforeValidator(quantity)]
