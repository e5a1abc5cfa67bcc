"""`diff-version`: what another version of Headscale refuses, changes, or reads otherwise."""

import pytest

from headscale_component.spec import HeadscaleArgs
from headscale_component.upgrade import blockers, changes, notes

CONFIG = {"server_url": "https://vpn.example.com"}
OIDC = {"issuer": "https://id.example.com", "client_id": "x", "client_secret_path": "/var/lib/headscale/secret"}
PROXIES = "0.29 believes `X-Forwarded-For` and its like only from `config.trusted_proxies`"


def written(version="v0.28.0", **more):
    return {"version": version, "config": {**CONFIG, **more.pop("config", {})}, **more}


def notes_of(version="v0.29.3", *, silence=(), **more):
    quiet = ("upgrade-clients", "upgrade-metrics", *silence)
    return notes(HeadscaleArgs.model_validate({**written(**more), "silence": quiet}), version)


NOTED = {
    "logins that expire": (
        {"config": {"oidc": OIDC}},
        "config.node.expiry: is not written: from 0.29 on, OIDC logins never expire, which earlier versions let expire "
        'after 180d; write `180d` with 0.29, which is for all nodes, or `"0"` for never [upgrade-oidc-expiry]',
    ),
    "logins that expire as the token": ({"config": {"oidc": {**OIDC, "use_expiry_from_token": True}}}, None),
    "an image by its digest": (
        {"image": f"headscale/headscale@sha256:{'a' * 64}"},
        "image: is pinned by a digest, which `version` does not change; write the digest of the image of v0.29.3, or "
        "the name alone [upgrade-image-digest]",
    ),
    "ICMP": (
        {"policy": {"acls": [{"action": "accept", "proto": "icmp", "src": ["tag:a"], "dst": ["tag:a:*"]}] * 2,
                    "tagOwners": {"tag:a": []}}},
        'policy.acls[0].proto: from 0.29 on, `icmp` no longer covers ICMPv6; add the same rule with `proto: "58"` '
        "(1 more like it) [upgrade-policy]",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("more", "note"), NOTED.values(), ids=NOTED)
def test_change_of_meaning_is_noted_once(more, note):
    found = [text for text in notes_of(**more) if not text.startswith(PROXIES)]

    assert found == ([note] if note else [])


def test_upgrade_note_is_silenced_by_its_name():
    assert [text.startswith(PROXIES) for text in notes_of()] == [True]
    assert notes_of(silence=["upgrade-addresses"]) == []


def test_digest_is_noted_for_a_patch_too():
    image = f"headscale/headscale@sha256:{'a' * 64}"

    assert [text.endswith("[upgrade-image-digest]") for text in notes_of("v0.28.1", image=image)] == [True]
    assert notes_of("v0.28.0", image=image) == []


STEPS = {
    ("v0.28.0", "v2.5.0"): "skips 0.29",
    ("v0.29.3", "v1.0.0"): None,
    ("v0.28.0", "latest"): "`latest` is no exact version",
    ("v0.29.3", "0.28"): "`0.28` is no exact version",
}


@pytest.mark.parametrize(("step", "problem"), STEPS.items(), ids=str)
def test_step_is_refused_with_one_problem(step, problem):
    found = [str(one) for one in blockers(written(step[0]), step[1])]

    assert len(found) == (1 if problem else 0)
    assert all(problem in text for text in found)


def test_changes_are_in_the_words_of_yaml():
    lines = changes(HeadscaleArgs.model_validate(written()), "v0.29.3")

    assert "+ auto_update.enabled: false" in lines
    assert "+ node.expiry: '0'" in lines
