"""The annotations of keys' Secrets: what stands in clusters is read, and written in the same form."""

from datetime import UTC, datetime, timedelta

import pytest

from headscale_core.client.models import PreAuthKey
from headscale_core.defaults import KIND_LABEL, NAMESPACE_LABEL, PREFIX
from headscale_core.keys import annotations, api_key_secret, pre_auth_key_secret
from headscale_core.keys.annotations import (
    DIGEST,
    PENDING,
    SPEC,
    SUPERSEDED,
    PreAuthKeySpec,
    format_superseded,
    own_annotations,
    parse_superseded,
    time_in,
    unique_expiration,
)
from headscale_core.keys.api_key_secret import DesiredApiKey
from headscale_core.keys.pre_auth_key_secret import DesiredPreAuthKey, IssuedPreAuthKey
from headscale_core.keys.secrets import SecretTemplate, StoredSecret

NOW = datetime(2026, 1, 31, 12, 0, 0, 123456, tzinfo=UTC)
DAY = PreAuthKeySpec("5", timedelta(days=1), reusable=True, ephemeral=False, tags=("tag:a", "tag:b"))
KEY = DesiredPreAuthKey(
    "ns", "laptop", "5", timedelta(days=1), reusable=True, ephemeral=False, tags=("tag:b", "tag:a"), owner="vpn-laptop"
)
ISSUED = IssuedPreAuthKey("7", "hskey-auth-abc-def", NOW)

IN_CLUSTERS = {
    '["5", "24h", true, false, ["tag:a", "tag:b"]]': DAY,
    '["5", "1d", true, false, ["tag:a", "tag:b"]]': DAY,
    '["5", "1440m", true, false, ["tag:a", "tag:b"]]': DAY,
    '[null, "1.5h", false, true, ["tag:ci"]]': PreAuthKeySpec(None, timedelta(minutes=90), False, True, ("tag:ci",)),
    '["5", "1h", false, false, []]': PreAuthKeySpec("5", timedelta(hours=1), False, False, ()),
}


@pytest.mark.parametrize(("text", "spec"), IN_CLUSTERS.items())
def test_spec_of_earlier_versions_is_read(text, spec):
    assert PreAuthKeySpec.parse(text) == spec
    assert PreAuthKeySpec.parse(str(spec)) == spec


@pytest.mark.parametrize("text", [*IN_CLUSTERS][::4])
def test_spec_is_written_byte_for_byte_as_before(text):
    assert str(PreAuthKeySpec.parse(text)) == text


@pytest.mark.parametrize("text", [None, "", "{}", "[]", "null", "[1]", '["5", "soon", true, false, []]', "[" * 5])
def test_spec_that_was_edited_is_none(text):
    assert PreAuthKeySpec.parse(text) is None


def test_preauth_key_is_read_back_as_declared():
    template = SecretTemplate("TS_AUTHKEY", {"team": "ci"}, {"example.com/a": "b"})
    declared = DesiredPreAuthKey("ns", "s", None, timedelta(seconds=1.5), True, False, ("tag:a",), template, "vpn-s")
    stored = pre_auth_key_secret.secret_for(ISSUED, declared)

    assert pre_auth_key_secret.desired_in("ns", "s", stored) == declared
    assert pre_auth_key_secret.issued_in(stored) == ISSUED


CHANGES = {
    "other notation": ('["5", "1d", true, false, ["tag:a", "tag:b"]]', True),
    "longer": ('["5", "25h", true, false, ["tag:a", "tag:b"]]', False),
    "other user": ('["6", "24h", true, false, ["tag:a", "tag:b"]]', False),
    "fewer tags": ('["5", "24h", true, false, ["tag:a"]]', False),
    "edited": ("x", False),
}


@pytest.mark.parametrize(("text", "is_same"), CHANGES.values(), ids=CHANGES)
def test_key_of_another_specification_is_not_taken(text, is_same):
    stored = pre_auth_key_secret.secret_for(ISSUED, KEY)
    stored = StoredSecret(stored.data, {**stored.annotations, SPEC: text})

    assert pre_auth_key_secret.issued_as_desired(stored, KEY) == (ISSUED if is_same else None)


def test_annotations_of_preauth_key_keep_their_values():
    assert pre_auth_key_secret.secret_for(ISSUED, KEY).annotations == {
        "headscale-component/key-id": "7",
        "headscale-component/expires-at": "2026-01-31T12:00:00.123456+00:00",
        "headscale-component/spec": '["5", "24h", true, false, ["tag:a", "tag:b"]]',
        "headscale-component/tags": "tag:b,tag:a",
        "headscale-component/declared-as": "vpn-laptop",
    }


def test_another_key_under_same_id_is_not_found():
    def listed(text):
        return {
            "7": PreAuthKey(7, text, None, reusable=False, ephemeral=False, used=False, expiration=NOW, created_at=NOW)
        }

    assert ISSUED.find_in(listed("hskey-auth-abc-***")) is not None
    assert ISSUED.find_in(listed("hskey-auth-xyz-***")) is None


API_KEY = "hskey-api-" + "a" * 12 + "-" + "b" * 64
SUPERSEDED_TEXT = "abc@2026-01-31T12:00:00.123456+00:00,xyz@2026-02-01T12:00:00.123456+00:00"


def test_annotations_of_api_key_keep_their_values():
    desired = DesiredApiKey("ns", "s", timedelta(days=90), timedelta(days=10), owner="vpn-ui", first="abc")
    superseded = {"xyz": NOW + timedelta(days=1), "abc": NOW}

    written = dict(api_key_secret.secret_for(API_KEY, NOW, NOW, desired, superseded).annotations)

    assert len(written.pop(DIGEST)) == 64
    assert written == {
        "headscale-component/key-id": "a" * 12,
        "headscale-component/expires-at": "2026-01-31T12:00:00.123456+00:00",
        "headscale-component/declared-as": "vpn-ui",
        "headscale-component/first-key": "abc",
        "headscale-component/retiring": SUPERSEDED_TEXT,
    }


def test_superseded_keys_are_read_back():
    superseded = parse_superseded({SUPERSEDED: SUPERSEDED_TEXT})

    assert superseded == {"abc": NOW, "xyz": NOW + timedelta(days=1)}
    assert format_superseded(superseded) == SUPERSEDED_TEXT
    assert parse_superseded({}) == {}


def test_superseded_key_without_a_time_is_due():
    stored = StoredSecret({}, {SUPERSEDED: "abc@soon"})

    assert api_key_secret.needs_cleanup(stored, NOW)


def test_edited_api_key_is_not_taken():
    desired = DesiredApiKey("ns", "s", timedelta(days=90), timedelta(days=10))
    stored = api_key_secret.secret_for(API_KEY, NOW, NOW, desired, {})

    assert api_key_secret.issued_in(stored).prefix == "a" * 12
    assert api_key_secret.issued_in(StoredSecret({**stored.data, "api-key": "x"}, stored.annotations)) is None


def test_time_that_was_edited_is_none():
    assert time_in({PENDING: "soon"}, PENDING) is None
    assert time_in({}, PENDING) is None


def test_expirations_of_two_keys_differ_by_microseconds():
    ends = {unique_expiration(NOW, timedelta(hours=1)) for _ in range(20)}

    assert len(ends) > 15
    assert {end.replace(microsecond=0) for end in ends} == {(NOW + timedelta(hours=1)).replace(microsecond=0)}


def test_annotations_of_others_are_not_ours():
    mixed = {PENDING: "a", SPEC: "b", "example.com/spec": "c"}

    assert own_annotations(mixed, without={SPEC}) == {PENDING: "a"}


def test_names_of_our_annotations_have_our_prefix():
    names = [value for name, value in vars(annotations).items() if name.isupper() and isinstance(value, str)]

    assert len(names) == 13
    assert all(name.startswith(PREFIX) for name in [*names, KIND_LABEL, NAMESPACE_LABEL])
