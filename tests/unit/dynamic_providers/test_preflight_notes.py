"""A preview of an upgrade shows what means something else to the new version."""

import pytest
from pulumi.dynamic import Config, ConfigureRequest

from dynamic_providers.pre_auth_key import TAGS_NOTE, PreAuthKeyProvider
from dynamic_providers.preflight import PreflightProvider
from headscale_core.rollout.upgrade import is_noteworthy

NOTES = [["0.28", "of 28"], ["0.29", "of 29"], ["", "of all"]]


def check(before, after, notes=NOTES):
    olds = {"instance": "vpn", "version": before} if before else {}
    return PreflightProvider().check(olds, {"instance": "vpn", "version": after, "upgrade_notes": notes})


@pytest.fixture
def messages(monkeypatch):
    texts = []
    monkeypatch.setattr("pulumi.log.warn", texts.append)
    return texts


SHOWN = {
    ("v0.28.0", "v0.29.3"): ["of 29", "of all"],
    ("v0.27.1", "v0.29.3"): ["of 28", "of 29", "of all"],
    ("v0.29.1", "v0.29.3"): ["of all"],
    ("v0.29.3", "v0.29.3"): [],
    ("latest", "v0.29.3"): [],
    (None, "v0.29.3"): [],
}


@pytest.mark.parametrize(("step", "notes"), SHOWN.items(), ids=str)
def test_upgrade_shows_the_notes_it_passes(messages, step, notes):
    check(*step)

    assert messages == [f"vpn: {step[0]} -> {step[1]}: {note}" for note in notes]


def test_notes_do_not_reach_the_state(messages):
    assert check("v0.28.0", "v0.29.3").inputs == {"instance": "vpn", "version": "v0.29.3"}
    assert check("v0.28.0", "v0.28.0", None).inputs == {"instance": "vpn", "version": "v0.28.0"}


def test_note_on_no_version_is_never_shown():
    assert not is_noteworthy("v0.28.0", "v0.29.0", "next")


@pytest.mark.parametrize("is_silenced", [None, True])
def test_note_on_tags_is_named_and_silenced(messages, is_silenced):
    held = {"namespace": "n", "secret_name": "s", "expiration": "24h", "expires_at": "2999-01-01T00:00:00+00:00"}
    news = {**held, "tags": ["tag:b"], "silence_tags_note": is_silenced}

    provider = PreAuthKeyProvider()
    settings = {"headscale:instance": "vpn", "headscale:namespace": "headscale"}
    provider.configure(ConfigureRequest(Config(settings, "p")))

    assert provider.diff("7", {**held, "tags": ["tag:a"]}, news).replaces == ["tags"]
    assert [text.endswith(f"[{TAGS_NOTE}]") for text in messages] == ([] if is_silenced else [True])
