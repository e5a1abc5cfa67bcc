"""The notes on an instance in a program: shown once each, under their names, and those of an upgrade to its preview."""

import pulumi
import pytest

from headscale_component import Headscale

SMALLEST = {"version": "v0.29.1", "config": {"server_url": "https://vpn.example.com"}}
KEY = {"preAuthKeys": {"ci": {"tags": ["tag:ci"], "ephemeral": True}}}


@pytest.fixture
def messages(monkeypatch):
    texts = []
    monkeypatch.setattr(pulumi, "warn", lambda text, *_, **__: texts.append(text))
    return texts


def test_note_is_shown_once_with_its_name(declared, messages):
    declared(lambda: Headscale("vpn", {**SMALLEST, **KEY}))

    assert [text.startswith("vpn: preAuthKeys.ci: is ephemeral") for text in messages] == [True]
    assert messages[0].endswith("[ephemeral-not-reusable]")


def test_silenced_note_is_not_shown(declared, messages):
    declared(lambda: Headscale("vpn", {**SMALLEST, **KEY, "silence": ["ephemeral-not-reusable"]}))

    assert messages == []


def test_upgrade_notes_go_to_the_preflight(declared):
    made = declared(lambda: Headscale("vpn", {**SMALLEST, "silence": ["upgrade-addresses", "upgrade-clients"]}))

    notes = made["vpn-preflight", "Preflight"].inputs["upgrade_notes"]
    assert [since for since, _ in notes] == ["0.29"]
    assert notes[0][1].endswith("[upgrade-metrics]")


def test_silenced_note_on_tags_reaches_the_key(declared):
    made = declared(lambda: Headscale("vpn", {**SMALLEST, **KEY, "silence": ["tags-kept-by-nodes"]}))

    assert made["vpn-ci", "PreAuthKey"].inputs["silence_tags_note"] is True
