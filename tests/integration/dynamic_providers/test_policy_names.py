"""A policy with names outside ASCII, whose tests have to wait for nodes (Headscale 0.29)."""

import json

import pytest

from headscale_core.policy import lifecycle
from tests.integration.conftest import running

DECLARED = {
    "tagOwners": {"tag:büro": ["ada@"]},
    "acls": [{"action": "accept", "src": ["ada@"], "dst": ["tag:büro:5432"]}],
    "tests": [{"src": "ada@", "accept": ["tag:büro:5432"]}],
}


@pytest.fixture
def client(tmp_path):
    with running("0.29", tmp_path) as headscale, headscale.client() as local:
        local.create_user("ada")
        yield local


def test_names_keep_their_letters_without_tests(client):
    """Headscale reads some names without their escapes: `tag:b\\u00fcro` would be another tag."""
    text = json.dumps(DECLARED, ensure_ascii=False)

    assert lifecycle.store(client, text) == ["tests[0]"]

    assert "tag:büro:5432" in client.get_policy()
    assert lifecycle.observe(client, declared=text).skipped == ("tests[0]",)
