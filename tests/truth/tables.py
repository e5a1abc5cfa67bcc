"""Every word at every place of a policy, one policy each: no combination of alias, place and version is left out."""

import itertools
import json
from collections.abc import Iterator
from typing import Any

from tests.truth import words
from tests.truth.case import Case

Policy = dict[str, Any]

RULES: dict[str, Policy] = {
    "acls": {"action": "accept", "src": ["*"], "dst": ["*:*"]},
    "grants": {"src": ["*"], "dst": ["*"], "ip": ["*"]},
    "ssh": {"action": "accept", "src": ["group:a"], "dst": ["tag:a"], "users": ["root"]},
    "nodeAttrs": {"target": ["*"], "attr": ["magicdns-aaaa"]},
    "tests": {"src": "alice@", "accept": ["tag:a:22"]},
    "sshTests": {"src": "alice@", "dst": ["tag:a"], "accept": ["root"]},
}
"""A right rule of each section."""
OPEN: Policy = {"acls": [RULES["acls"]], "ssh": [{**RULES["ssh"], "src": ["group:a", "group:b"]}]}
"""What the tests of a policy are true of."""


def with_rule(section: str, **changes: Any) -> Policy:
    """Return a policy with a right rule but for what is changed."""
    rule = {key: value for key, value in {**RULES[section], **changes}.items() if value is not ...}
    return {**words.NAMES, **(OPEN if section.endswith(("tests", "Tests")) else {}), section: [rule]}


def cases() -> Iterator[Case]:
    for table in (aliases, pairs, ports, values, names, rule_shapes, shapes):
        for number, policy in enumerate(table()):
            yield Case("tables", f"{table.__name__} {number}", json.dumps(policy), users=words.USERS)


def aliases() -> Iterator[Policy]:
    """Yield each alias at each place that names one."""
    for alias in (*words.ALIASES, *words.ODD_ALIASES):
        yield with_rule("acls", src=[alias])
        for ports in ("22", "*"):
            yield with_rule("acls", dst=[f"{alias}:{ports}"])
        yield with_rule("acls", dst=[alias])
        yield with_rule("grants", src=[alias])
        yield with_rule("grants", dst=[alias])
        yield with_rule("grants", dst=[alias], ip=..., app={"example.com/cap/x": [{}]})
        yield with_rule("grants", dst=["net"], via=[alias])
        yield with_rule("ssh", src=[alias])
        yield with_rule("ssh", dst=[alias])
        yield with_rule("nodeAttrs", target=[alias])
        yield with_rule("tests", src=alias)
        yield with_rule("tests", accept=[f"{alias}:22"])
        yield with_rule("tests", accept=..., deny=[f"{alias}:22"])
        yield with_rule("sshTests", src=alias)
        yield with_rule("sshTests", dst=[alias])
        yield {**words.NAMES, "groups": {**words.NAMES["groups"], "group:x": [alias]}}
        yield {**words.NAMES, "tagOwners": {**words.NAMES["tagOwners"], "tag:x": [alias]}}
        yield {**words.NAMES, "autoApprovers": {"routes": {"10.0.0.0/8": [alias]}}}
        yield {**words.NAMES, "autoApprovers": {"exitNode": [alias]}}


def pairs() -> Iterator[Policy]:
    """Yield each right alias as a source of each as a destination."""
    for source, destination in itertools.product(words.ALIASES, repeat=2):
        yield with_rule("acls", src=[source], dst=[f"{destination}:*"])
        yield with_rule("grants", src=[source], dst=[destination])
        yield with_rule("ssh", src=[source], dst=[destination])
    for two in itertools.combinations(
        ("alice@", "bob@", "group:a", "tag:a", "autogroup:member", "autogroup:tagged"), 2
    ):
        for destination in ("alice@", "tag:a", "autogroup:self", "autogroup:member", "autogroup:tagged"):
            yield with_rule("ssh", src=list(two), dst=[destination])
            yield with_rule("ssh", src=[two[0]], dst=[two[1], destination])
            yield with_rule("acls", src=list(two), dst=[f"{destination}:*"])
            yield with_rule("grants", src=list(two), dst=[destination])


def ports() -> Iterator[Policy]:
    """Yield ports of each kind of destination, and of each protocol."""
    hosts = ("*", "tag:a", "10.0.0.1", "fd7a:115c:a1e0::1", "[fd7a:115c:a1e0::1]", "alice@")
    for host, written in itertools.product(hosts, words.PORTS):
        yield with_rule("acls", dst=[f"{host}:{written}"])
    for proto, written in itertools.product(words.PROTOCOLS, ("*", "22", "0-65535", "1-65535")):
        yield with_rule("acls", proto=proto, dst=[f"tag:a:{written}"])
    for proto in words.PROTOCOLS:
        yield with_rule("acls", proto=proto, src=[], dst=[])
        yield with_rule("tests", proto=proto)


def values() -> Iterator[Policy]:
    """Yield each value of each key that names nobody."""
    tables: tuple[tuple[str, dict[str, Any], str, tuple[Any, ...]], ...] = (
        ("acls", {}, "action", words.ACTIONS),
        ("ssh", {}, "action", words.ACTIONS),
        ("ssh", {}, "users", words.LOGINS),
        ("ssh", {}, "acceptEnv", words.ENVIRONMENT),
        ("ssh", {"action": "accept"}, "checkPeriod", words.PERIODS),
        ("ssh", {"action": "check"}, "checkPeriod", words.PERIODS),
        ("grants", {}, "ip", words.GRANTED),
        ("grants", {}, "app", words.CAPABILITIES),
        ("grants", {"ip": ...}, "app", words.CAPABILITIES),
        ("grants", {"ip": ..., "dst": ["autogroup:internet"]}, "app", words.CAPABILITIES),
        ("grants", {}, "via", (["tag:a"], [], None, ["tag:a"] * 2)),
        ("nodeAttrs", {}, "attr", words.ATTRIBUTES),
        ("nodeAttrs", {}, "ipPool", words.POOLS),
        ("nodeAttrs", {"attr": ...}, "ipPool", words.POOLS),
        ("tests", {}, "accept", words.TESTED),
        ("tests", {"accept": ...}, "deny", words.TESTED),
        ("sshTests", {}, "accept", words.LOGINS),
        ("sshTests", {"accept": ...}, "deny", words.LOGINS),
        ("sshTests", {"accept": ...}, "check", words.LOGINS),
    )
    for section, beside, key, found in tables:
        for value in found:
            yield with_rule(section, **{**beside, key: value})
    for network in words.NETWORKS:
        yield {**words.NAMES, "hosts": {**words.NAMES["hosts"], "x": network}}
        yield {**words.NAMES, "autoApprovers": {"routes": {network: ["tag:a"]}}}
    yield {"hosts": {"x": "web", "web": "10.0.0.1"}}


def names() -> Iterator[Policy]:
    """Yield each name that a policy may define, also where it is used."""
    members: dict[str, Any] = {"groups": ["alice@"], "tagOwners": ["alice@"], "hosts": "10.0.0.9"}
    for section, found in words.NAMES_OF.items():
        for name in found:
            defined = {**words.NAMES, section: {**words.NAMES[section], name: members[section]}}
            yield defined
            yield {**defined, "acls": [{**RULES["acls"], "src": [name]}]}
            yield {**defined, "acls": [{**RULES["acls"], "dst": [f"{name}:22"]}]}
    for owners in (["tag:x"], ["tag:y", "alice@"], ["tag:x", "tag:y"], []):
        yield {"tagOwners": {"tag:x": owners, "tag:y": ["tag:x"]}}
        yield {"tagOwners": {"tag:x": owners}}
        yield {"tagOwners": {"tag:x": owners, "tag:y": ["tag:z"], "tag:z": ["tag:x"]}}


def rule_shapes() -> Iterator[Policy]:
    """Yield rules with a value of another type, an unknown key, a missing one, or one in capitals."""
    unusual = ("unknown", "#note", "", "proto", "checkPeriod", "acceptEnv", "comment", "srcPosture", "via")
    for section, rule in RULES.items():
        for key in (*rule, *unusual):
            yield with_rule(section, **{key: ...})
            for capitals in (key.upper(), key.capitalize()):
                yield with_rule(section, **{key: ..., capitals: rule.get(key)})
            yield with_rule(section, **{key.upper(): rule.get(key)})
            for value in words.MISTYPED:
                yield with_rule(section, **{key: value})
        for key in (key for key, value in rule.items() if isinstance(value, list)):
            yield with_rule(section, **{key: rule[key] * 2})
            yield with_rule(section, **{key: rule[key][0]})


def shapes() -> Iterator[Policy]:
    """Yield sections with a value of another type, of an unknown name, or of a name in capitals."""
    sections = (*RULES, *words.NAMES, "autoApprovers", "randomizeClientPort", "unknown", "", "#note", "postures")
    for section, value in itertools.product(sections, words.MISTYPED):
        yield {section: value}
    for section, rule in RULES.items():
        yield {**words.NAMES, section.upper(): [rule]}
        yield {**words.NAMES, section.capitalize(): [rule]}
        yield {**words.NAMES, section: [rule, rule]}
        yield {section: [rule]}
    names = {"groups": "group:x", "tagOwners": "tag:x", "hosts": "x"}
    for (section, name), value in itertools.product(names.items(), words.MISTYPED):
        yield {section: {name: value}}
        yield {**words.NAMES, section: {**words.NAMES[section], name: value}}
    for key, value in itertools.product(("routes", "exitNode", "ROUTES", "unknown", ""), words.MISTYPED):
        yield {**words.NAMES, "autoApprovers": {key: value}}
    for value in words.MISTYPED:
        yield {**words.NAMES, "autoApprovers": {"routes": {"10.0.0.0/8": value}}}
