"""Whatever a person writes, the answer is an instance or a list of problems, and never another exception."""

import json
from contextlib import suppress

from hypothesis import given, settings
from hypothesis import strategies as st

from headscale_component import SpecError, load_instances
from headscale_component.render import documents
from headscale_component.schema import stack_schema
from headscale_component.spec import HeadscaleArgs
from headscale_component.spec.config.versions import fields
from headscale_component.stack_file import load
from headscale_component.stack_file.encrypted import hide_encrypted
from tests.unit.spec.schema_examples import Grammar, changed

keys = st.text(max_size=5) | st.integers() | st.none() | st.booleans() | st.floats() | st.dates()
leaves = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from(["1h", "tag:a"])
)
values = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3),
)
OF_INSTANCE = [field.alias or name for name, field in HeadscaleArgs.model_fields.items()]
OF_CONFIG = [path for path, _ in fields()]


def placed(path, value):
    """Return a configuration with one value somewhere."""
    for part in reversed(path):
        value = {part: value}
    return value


@st.composite
def instances(draw):
    config = {"server_url": "http://a.b", **draw(st.builds(placed, st.sampled_from(OF_CONFIG), values))}
    return {
        "version": "v0.29.3",
        "config": config,
        **draw(st.dictionaries(st.sampled_from(OF_INSTANCE), values, max_size=2)),
    }


@settings(max_examples=400, deadline=None, derandomize=True, database=None)
@given(st.dictionaries(st.sampled_from(["vpn", "a", "", "A b"]) | keys, instances() | values, max_size=2) | values)
def test_any_document_gives_instances_or_problems(document):
    try:
        instances = load_instances(document)
    except SpecError as error:
        text = str(error)
        assert text
    else:
        assert all(documents(name, spec) for name, spec in instances.items())


@settings(max_examples=100, deadline=None, derandomize=True, database=None)
@given(changed(Grammar(json.loads(stack_schema())).instances))
def test_nearly_valid_instance_is_rendered_or_refused(instance):
    found = {}
    with suppress(SpecError):
        found = load({"vpn": hide_encrypted(instance)})

    assert all(documents(name, spec) for name, spec in found.items())
