"""The policies of the tables as the stack's YAML holds them, instead of a file."""

import json
from collections.abc import Iterator
from dataclasses import replace

from headscale_component.spec.policy.file import known_objects, name_of_key
from tests.truth import tables
from tests.truth.case import Case


def cases() -> Iterator[Case]:
    """Yield those whose keys are spelt as the stack's own: it has one spelling of each, where a file has many."""
    for case in tables.cases():
        if _is_spelt_as_ours(case.text):
            yield replace(case, corpus="inline", inline=True)


def _is_spelt_as_ours(text: str) -> bool:
    return all(
        name_of_key(key, model) in (key, None) for _, keys, model in known_objects(json.loads(text)) for key in keys
    )
