"""Faults that people made: for each stack the right answer, at the right path and line.

One table holds a row for each file in `stacks`: what is printed, without the path of the instances, or nothing where
the stack is accepted. A second one holds what an upgrade to 0.29 prints of it.
"""

import re
from pathlib import Path

import pytest

from headscale_component.__main__ import main
from tests.printed import problems as printed_problems

STACKS = Path(__file__).with_name("stacks")
ROOT = "headscale:instances"
LINE = re.compile(r"(?P<text>.*) \((?P<file>\S+), line (?P<line>\d+)\)")

ACCEPTED = [
    "acme-on-a-privileged-port",
    "files-of-one-name",
    "image-by-digest",
    "name-with-a-digit-first",
    "oidc-without-expiry",
    "policy-with-wildcard",
    "sections-with-nothing-in-them",
    "spellings-that-are-taken",
    "tests-before-the-first-node",
    "text-of-json",
    "upgrade-checkperiod",
    "upgrade-self-from-tag",
    "upgrade-ssh-users-star",
    "user-names-like-values",
    "user-names-of-headscale",
]
"""Stacks that were refused once, or are the ground of an upgrade."""

ENCRYPTED = "is encrypted, and a secret is not possible here: it would be in clear in the cluster; write it in clear"
BY_REFERENCE = "or as `{secretKeyRef: {name: SECRET, key: KEY}}`"

REFUSED = {
    "acme-and-port-80": [
        ("config.listen_addr", 5, "is port 80, on which the certificate authority asks"),
    ],
    "addresses-of-clients": [
        ("a.config.server_url", 3, "must begin with http:// or https:// in small letters"),
        ("b.config.server_url", 4, "`https://vpn.example.com:abc` is no URL: its port"),
        ("c.config.server_url", 5, "must hold no user and password: every client gets"),
        ("d.config.server_url", 6, "`https://vpn.example.com:99999` is no URL: its port"),
    ],
    "api-key-in-clear": [
        ("connection.apiKey", 6, "is a secret and would stand in clear; set it with"),
    ],
    "control-characters": [
        ("namespace", 6, "`a\\nb` is no DNS label: at most 63 of a-z, 0-9 and"),
        ("image", 7, "`\\x1b[31mx` is no image: write a name in lower case,"),
        ('users["a\\nheadscale:instances.vpn.fake', 8, 'all is well"]: `a\\nheadscale:instances.vpn.fake'),
    ],
    "duplicate-instance": [
        ("vpn", 6, "is written twice, the first time in line 3; join"),
    ],
    "duplicate-keys": [
        ("users", 7, "is written twice, the first time in line 6; join"),
    ],
    "env-source-both-and-none": [
        ("pod.env.A", 8, "needs exactly one of `configMapKeyRef` and"),
        ("pod.env.B", 9, "needs exactly one of `configMapKeyRef` and"),
    ],
    "flags-of-another-type": [
        ("replicas", 6, "must be a whole number, not `true`"),
        ("retain", 7, "must be `true` or `false`, not `off`, which is a"),
        ("preAuthKeys.k.reusable", 8, "must be `true` or `false`, not `t`"),
        ("preAuthKeys.k.ephemeral", 8, "must be `true` or `false`, not `1`"),
    ],
    "image-with-tag": [
        ("image", 6, "`ghcr.io/juanfont/headscale:v0.28.0` has a tag;"),
    ],
    "lines-of-keys": [
        ("api_key.rotation_buffer", 8, "`2h` is not below the expiration, `1h`: the key"),
        ("podd", 9, "unknown key; did you mean `pod`?"),
        ("preAuthKeys.ci", 12, "belongs to nobody: give `user`, `userId` or `tags`"),
    ],
    "listener-on-loopback": [
        ("config.listen_addr", 5, "`127.0.0.1:8080` is reached from inside the pod alone,"),
    ],
    "name-of-the-default-account": [
        ("default", 3, "`default` is the ServiceAccount of every pod that"),
    ],
    "names-in-the-pod": [
        ("pod.volumes[0].name", 7, "`config` is a volume of this component in the same"),
        ("pod.volumes[1].name", 7, "`socket` is a volume of this component in the same"),
        ("pod.volumes[2].emptydir", 7, "unknown key; did you mean `emptyDir`?"),
        ("pod.containers[0].name", 8, "`headscale` is a container of this component in the"),
        ("pod.resources.request", 9, "unknown key; did you mean `requests`?"),
        ("pod.tolerations[0].kee", 10, "unknown key; did you mean `key`?"),
    ],
    "names-of-files": [
        ('files["/x/..a"]', 8, "`..a` is no name of a file in a volume: it begins"),
        (f"files./x/{'a' * 300}", 9, "`aaa"),
    ],
    "namespace-labels-that-nobody-sets": [
        ("namespaceLabels", 6, "are set with `createNamespace: true` alone; write"),
    ],
    "policy-026-autogroups": [
        ("policy.acls[0].src[0]", 8, "`autogroup:member` is no group that may stand here"),
        ("policy.acls[0].dst[0]", 8, "`autogroup:self` is no group that may stand here"),
    ],
    "policy-026-proto-number": [
        ("policy.acls[0].proto", 8, '`6` has to be a text for Headscale 0.26; write `"6"`'),
    ],
    "policy-027-028-proto-number-with-port": [
        ("policy.acls[0].dst[0]", 8, "`6` has no ports; write `*:*`, or `proto: tcp`"),
    ],
    "policy-028-029-ssh-tag-to-member": [
        ("policy.ssh[0].dst[0]", 10, "`autogroup:member` is people's, where `tag:a` may"),
    ],
    "policy-028-029-ssh-user-to-other-user": [
        ("policy.ssh[0].dst[0]", 9, "only `bob@` may log in on `bob@`; write"),
    ],
    "policy-028-bracketed-ipv6": [
        ("policy.acls[0].dst[0]", 8, "`[fd7a:115c:a1e0::2]` has brackets, which Headscale"),
    ],
    "policy-028-checkperiod-always": [
        ("policy.ssh[0].checkPeriod", 9, "`always` is no time to Headscale before 0.29; write"),
    ],
    "policy-028-danger-all": [
        ("policy.acls[0].src[0]", 8, "`autogroup:danger-all` is no group that may stand"),
    ],
    "policy-028-proto-ipv6-icmp": [
        ("policy.acls[0].proto", 8, "`ipv6-icmp` is no protocol to Headscale 0.28; write"),
    ],
    "policy-028-ssh-user-autogroup": [
        ("policy.ssh[0].users[0]", 9, "`autogroup:member` is no group that may stand here;"),
    ],
    "policy-028-tagowner-cycle": [
        ("policy.tagOwners.tag:a", 9, "`tag:a` owns itself by way of its owners, which"),
        ("policy.tagOwners.tag:b", 9, "`tag:b` owns itself by way of its owners, which"),
    ],
    "policy-029-acl-self-from-ip": [
        ("policy.acls[0].src[0]", 8, "`100.64.0.1` has no machines of its own, so"),
    ],
    "policy-029-grant-bad-port": [
        ("policy.grants[0].ip[0]", 8, "`https` names no ports; write `443`, `8000-8100`,"),
        ("policy.grants[0].ip[1]", 8, "`99999` names no ports; write `443`, `8000-8100`,"),
    ],
    "policy-029-grant-cap-url": [
        ('policy.grants[0].app["https://example.com/cap"]', 8, "is a URL; write the capability without `https://`,"),
    ],
    "policy-029-grant-default-route": [
        ("policy.grants[0].dst[0]", 8, "`0.0.0.0/0` is every address; write"),
    ],
    "policy-029-grant-self-from-star": [
        ("policy.grants[0].src[0]", 8, "`*` has no machines of its own, so Headscale 0.29"),
    ],
    "policy-029-nodeattrs-funnel-ippool": [
        ("policy.nodeAttrs[0].attr[0]", 9, "`funnel` is refused: Headscale has no Funnel yet;"),
        ("policy.nodeAttrs[1].ipPool", 9, "is refused: Headscale gives no addresses from pools"),
    ],
    "policy-029-ssh-accept-checkperiod": [
        ("policy.ssh[0].checkPeriod", 9, "is for `action: check`, and refused with another by"),
    ],
    "policy-029-ssh-empty-users-env": [
        ("policy.ssh[0].users", 9, "names nobody, which Headscale 0.29 and newer"),
        ("policy.ssh[0].acceptEnv[0]", 9, "is empty; write the name of a variable, as `LANG`"),
    ],
    "policy-029-sshtests-shapes": [
        ("policy.sshTests[0].dst", 9, "is empty; write where they log in, as `tag:web`"),
        ("policy.sshTests[1].dst[0]", 9, "`tag:zz` is not under `tagOwners`; add it there"),
    ],
    "policy-029-tag-digit": [
        ("policy.tagOwners.tag:1ci", 9, "`tag:1ci` has no letter behind `tag:`, which"),
    ],
    "policy-029-tests-shapes": [
        ("policy.tests[0]", 9, "tests nothing: give `accept` or `deny`, as"),
        ("policy.tests[1].accept[0]", 9, "`10.0.0.0/8` is a network; write one address of it"),
        ("policy.tests[2].accept[0]", 9, "`100.64.0.1:*` names several ports; write one, as"),
        ("policy.tests[2].proto", 9, "`icmp` cannot be tested; write `tcp`, `udp` or"),
    ],
    "policy-all-bracketed-ipv4": [
        ("policy.acls[0].dst[0]", 8, "`[10.0.0.1]:22` has brackets, which go around an"),
    ],
    "policy-all-bracketed-ipv6-source": [
        ("policy.acls[0].src[0]", 8, "`[fd7a:115c:a1e0::1]` has brackets, which Headscale"),
    ],
    "policy-all-host-name-with-colon-or-at": [
        ("policy.hosts.a:b", 8, "has `:` or `@` in it, as no host may; name it by"),
        ("policy.hosts.a@b", 8, "has `:` or `@` in it, as no host may; name it by"),
    ],
    "policy-all-icmp-with-port": [
        ("policy.acls[0].dst[0]", 8, "`icmp` has no ports; write `*:*`"),
    ],
    "policy-all-netmask": [
        ("policy.hosts.lan", 8, "`10.0.0.0/255.0.0.0` is no address or network;"),
    ],
    "policy-all-port-0": [
        ("policy.acls[0].dst[0]", 8, "`*:0` names port 0, which is none; write a port"),
    ],
    "policy-file-bom": [
        ("policy.file", 6, "`policy-file-bom.hujson` begins with a byte order"),
    ],
    "policy-file-bool-as-text": [
        ("policy.file", 6, "`policy-file-bool-as-text.hujson`,"),
    ],
    "policy-file-comment-without-newline": [
        ("policy.file", 6, "`policy-file-comment-without-newline.hujson` ends"),
    ],
    "policy-file-lonely-comma": [
        ("policy.file", 6, "`policy-file-lonely-comma.hujson` is no HuJSON:"),
    ],
    "policy-file-nan": [
        ("policy.file", 6, "`policy-file-nan.hujson` is no HuJSON: `NaN` is no"),
    ],
    "policy-file-same-key-in-capitals": [
        ("policy.file", 6, "`policy-file-same-key-in-capitals.hujson` has"),
    ],
    "ports-of-the-sidecar": [
        ("config.listen_addr", 5, "port 8081 is that of the sidecar's health endpoint"),
        ("config.metrics_listen_addr", 5, "port 50480 is that of the sidecar's relay too; give"),
    ],
    "recursive-alias": [
        ("pod.affinity", 7, "anchor `p` contains itself; write the value out"),
    ],
    "same-urn": [
        ("vpn-dev.users.alice", 12, "makes User `vpn-dev-alice`, as"),
        ("vpn-dev.preAuthKeys.runner", 13, "makes PreAuthKey `vpn-dev-runner`, as"),
        ("vpn-metrics", 14, "makes Service `vpn-metrics`, as `vpn` does, and"),
    ],
    "secrets-for-names": [
        ("config.server_url", 5, "`postgres://h` must begin with http:// or"),
        ("config.oidc.client_secret.secretKeyRef.name", 5, "is no name of a Kubernetes object: at most 253 of"),
        ("connection.address", 6, "`https://host:1/x y` is no address: write"),
        ("connection.apiKeySecret", 6, "is no name of a Kubernetes object: at most 253 of"),
    ],
    "secrets-in-wrong-places": [
        ("files./etc/x/y.inline", 6, "is encrypted, and a secret is not possible here: it"),
        ("pod.env.TOKEN", 7, "is encrypted, and a secret is not possible here: it"),
    ],
    "secrets-by-reference": [
        ("config.oidc.client_id", 7, f"{ENCRYPTED} {BY_REFERENCE}"),
        ("config.database.postgres.host", 11, f"{ENCRYPTED} {BY_REFERENCE}"),
        ("config.database.postgres.name", 12, f"{ENCRYPTED} {BY_REFERENCE}"),
        ("config.database.postgres.user", 13, f"{ENCRYPTED} {BY_REFERENCE}"),
    ],
    "path-for-a-key": [
        ("version", 2, "unknown key; it is a path to `pulumi config set --path`"),
    ],
    "typo-of-the-root": [
        ("headscale:instance", 2, "unknown key; did you mean `headscale:instances`?"),
    ],
    "user-token-of-two": [
        ("policy.acls[0].src[0]", 7, "`x@example.com` is the name or the e-mail address"),
    ],
    "value-of-two-types": [
        ("config.database.postgres.ssl", 5, "must be `disable`, `require`, `verify-ca`,"),
        ("pod.env.PORT", 6, "must be a text or a mapping, not `8080`; write it"),
        ("pod.env.REPLICAS", 6, "must be a text or a mapping, not `null`"),
    ],
    "values-of-another-type": [
        ("version", 4, "`0.28` is no exact version; write it in full, for"),
        ("config.derp.urls", 5, "must be a list, not `https://a.example.com`; write"),
        ("users", 6, "must be a mapping, not a list; write `alice: …` in"),
        ("imagePullSecrets", 7, "must be a list"),
        ("preAuthKeys.k.expiration", 8, "`90` is no duration; write a number and a unit (s,"),
    ],
    "versions-of-other-grammar": [
        ("a.version", 3, "`v\u0660.28.0` is no exact version; write it in full,"),
        ("b.version", 4, "`v0.28.0-beta..1` is no exact version; write it in"),
    ],
    "yes-for-a-flag": [
        ("config.derp.server.enabled", 5, "must be `true` or `false`, not `yes`, which is a"),
    ],
}
"""For each stack its problems, in the order of the file: path below the instance, line, and the first words."""

UPGRADES = {
    "upgrade-checkperiod": ("! policy.ssh[0].checkPeriod: `7d` is no time to Headscale 0.29",),
    "upgrade-self-from-tag": ("! policy.acls[0].src[0]: `tag:a` has no machines of its own",),
    "upgrade-ssh-users-star": ("! policy.ssh[0].users[0]: `*` is no user to Headscale 0.29",),
    "oidc-without-expiry": ("note: config.node.expiry: is not written: from 0.29 on, OIDC logins never expire",),
    "policy-with-wildcard": (
        "note: 0.29 believes `X-Forwarded-For` and its like only from `config.trusted_proxies`",
        "note: policy.acls[0].src[0]: from 0.29 on, `*` is the tailnet's own addresses alone",
        "note: policy.acls[0].dst[0]: from 0.29 on, `*` is the tailnet's own addresses alone",
    ),
    "image-by-digest": ("note: image: is pinned by a digest, which `version` does not change",),
}
"""For each stack what `diff-version v0.29.1` prints among others; `!` blocks the upgrade."""


NOTES = {
    "acme-on-a-privileged-port": "note: vpn: config.tls_letsencrypt_listen: port 80 is below 1024, and Headscale is",
    "name-with-a-digit-first": "note: 1vpn: Kubernetes before 1.36 takes no Service with a digit first; `1vpn`",
}
"""For each stack the first words of the note that is printed before `ok`."""


@pytest.fixture(autouse=True)
def _in_their_folder(monkeypatch):
    """A policy's file is sought from the project's folder."""
    monkeypatch.chdir(STACKS)


def placed(problem):
    """Return path, line and text of a printed problem, and the file that it names."""
    match = LINE.fullmatch(problem)
    path, _, text = match["text"].partition(": ")
    path = path.removeprefix(f"{ROOT}.").removeprefix("vpn.")
    return path, int(match["line"]), text, match["file"]


@pytest.mark.parametrize("name", ACCEPTED)
def test_stack_without_a_fault_is_accepted(capsys, name):
    assert main(["validate", f"{name}.yaml"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "ok"


@pytest.mark.parametrize(("name", "words"), NOTES.items(), ids=NOTES)
def test_stack_that_surprises_has_a_note(capsys, name, words):
    assert main(["validate", f"{name}.yaml"]) == 0

    note, _ = capsys.readouterr().out.splitlines()
    assert note.startswith(words)


@pytest.mark.parametrize(("name", "problems"), REFUSED.items(), ids=REFUSED)
def test_fault_is_printed_at_its_path_and_line(capsys, name, problems):
    assert main(["validate", f"{name}.yaml"]) == 1

    printed = capsys.readouterr()
    found = [placed(line) for line in printed_problems(printed.err)]
    assert not [line for line in printed.out.splitlines() if not line.startswith("note: ")]
    assert [(path, line) for path, line, _, _ in found] == [(path, line) for path, line, _ in problems]
    assert {file for _, _, _, file in found} == {f"{name}.yaml"}
    for (_, _, text, _), (_, _, words) in zip(found, problems, strict=True):
        assert text.startswith(words)
    assert "hunter2" not in str(found)


@pytest.mark.parametrize(("name", "texts"), UPGRADES.items(), ids=UPGRADES)
def test_upgrade_prints_what_changes_its_meaning(capsys, name, texts):
    blocked = any(text.startswith("!") for text in texts)

    assert main(["diff-version", "v0.29.1", f"{name}.yaml"]) == int(blocked)

    lines = [line.strip() for line in capsys.readouterr().out.splitlines()]
    assert [text for text in texts if not any(line.startswith(text) for line in lines)] == []


def test_every_stack_has_a_row():
    assert {path.stem for path in STACKS.glob("*.yaml")} - {"Pulumi"} == {*ACCEPTED, *REFUSED}
