"""YAML that Go's libraries read as it is meant: kubectl reads objects with one, Headscale `config.yaml` with another.

Sources: https://github.com/kubernetes-sigs/yaml/blob/master/goyaml.v2/resolve.go and
https://github.com/go-yaml/yaml/blob/v3.0.1/resolve.go.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import yaml

from headscale_component.spec.model import EncryptedValue

_NO_TEXT_TO_GO = re.compile(
    r"[yYnN]"
    r"|[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?"
    r"|[-+]?0[xXoObB][0-9a-fA-F]+"
    r"|[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}.*"
)
"""Texts that Go reads as flags, numbers and dates, without `_`, beside those that PyYAML quotes by itself."""


def one_document(value: Any) -> str:  # noqa: ANN401 - any YAML
    """Return the text of one document with sorted keys; equal values give equal texts."""
    return yaml.dump(value, Dumper=_Dumper, sort_keys=True, default_flow_style=False, allow_unicode=True)


def many_documents(values: Iterable[Any]) -> str:
    """Return documents as one text, with keys in their order; a text of several lines stays readable in it."""
    return yaml.dump_all(values, Dumper=_BlockDumper, explicit_start=True, sort_keys=False, allow_unicode=True)


class _Dumper(getattr(yaml, "CSafeDumper", yaml.SafeDumper)):  # type: ignore[misc] # whichever PyYAML was built with
    """Quotes what is a text and would be read as something else."""


class _BlockDumper(_Dumper):
    """Writes texts of several lines as they are, too."""


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    style = "'" if _NO_TEXT_TO_GO.fullmatch(value.replace("_", "")) else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


def _block(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    if "\n" in value:
        return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|")
    return _text(dumper, value)


_Dumper.add_representer(str, _text)
_Dumper.add_representer(EncryptedValue, lambda dumper, value: _text(dumper, repr(value)))
_BlockDumper.add_representer(str, _block)
