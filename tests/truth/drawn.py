"""Policies drawn at random: mostly right, with something odd in them here and there."""

import json
from collections.abc import Iterator
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.truth import words
from tests.truth.case import Case

COUNT = 4000
_RIGHT = ("alice@", "alice@example.com", "bob@", "group:a", "group:b", "tag:a", "tag:b", "web", "net", "10.0.0.0/8")
_PEOPLE = ("alice@", "bob@", "group:a", "autogroup:member")


def mostly(right: st.SearchStrategy[Any], odd: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Draw what is right, and in one of 16 what may be odd."""
    return st.integers(0, 15).flatmap(lambda number: odd if number == 7 else right)


def some(right: st.SearchStrategy[Any], odd: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Any]]:
    return st.lists(mostly(right, odd), min_size=1, max_size=3)


any_alias = st.sampled_from((*words.ALIASES, *words.ODD_ALIASES))
any_ports = st.sampled_from(words.PORTS)
ports = st.sampled_from(words.PORTS[:7])
people_or_things = st.sampled_from((*_RIGHT, "*"))
with_ports = st.builds("{}:{}".format, mostly(people_or_things, any_alias), mostly(ports, any_ports))


def rule(required: dict[str, st.SearchStrategy[Any]], **optional: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.fixed_dictionaries(required, optional=optional)


acl = rule(
    {
        "action": mostly(st.just("accept"), st.sampled_from(words.ACTIONS)),
        "src": some(people_or_things, any_alias),
        "dst": st.lists(with_ports, min_size=1, max_size=3),
    },
    proto=mostly(st.just("tcp"), st.sampled_from(words.PROTOCOLS)),
)
grant = rule(
    {"src": some(people_or_things, any_alias), "dst": some(people_or_things, any_alias)},
    ip=mostly(st.sampled_from(words.GRANTED[:9]), st.sampled_from(words.GRANTED)),
    app=mostly(st.sampled_from(words.CAPABILITIES[:3]), st.sampled_from(words.CAPABILITIES)),
    via=mostly(st.just(["tag:a"]), st.lists(any_alias, max_size=2)),
)
login = rule(
    {
        "action": mostly(st.sampled_from(["accept", "check"]), st.sampled_from(words.ACTIONS)),
        "src": some(st.sampled_from(_PEOPLE), any_alias),
        "dst": some(st.sampled_from(["tag:a", "tag:b", "autogroup:self", "autogroup:tagged"]), any_alias),
        "users": mostly(st.sampled_from(words.LOGINS[:3]), st.sampled_from(words.LOGINS)),
    },
    checkPeriod=mostly(st.sampled_from(words.PERIODS[:4]), st.sampled_from(words.PERIODS)),
    acceptEnv=mostly(st.just(["LANG"]), st.sampled_from(words.ENVIRONMENT)),
)
attributes = rule(
    {"target": some(people_or_things, any_alias)},
    attr=mostly(st.just(["magicdns-aaaa"]), st.sampled_from(words.ATTRIBUTES)),
    ipPool=mostly(st.just([]), st.sampled_from(words.POOLS)),
)
tested = rule(
    {"src": mostly(st.sampled_from(_RIGHT), any_alias)},
    accept=mostly(st.just(["tag:a:22"]), st.sampled_from(words.TESTED)),
    deny=mostly(st.just([]), st.sampled_from(words.TESTED)),
    proto=mostly(st.just("tcp"), st.sampled_from(words.PROTOCOLS)),
)
login_tested = rule(
    {"src": mostly(st.sampled_from(_PEOPLE[:3]), any_alias), "dst": some(st.just("tag:a"), any_alias)},
    accept=mostly(st.just(["root"]), st.sampled_from(words.LOGINS)),
    deny=mostly(st.just([]), st.sampled_from(words.LOGINS)),
)
approvers = rule(
    {},
    routes=st.dictionaries(
        mostly(st.just("10.0.0.0/8"), st.sampled_from(words.NETWORKS)),
        some(st.sampled_from(["tag:a", "group:a", "alice@"]), any_alias),
        max_size=2,
    ),
    exitNode=some(st.sampled_from(["tag:a", "group:a", "alice@"]), any_alias),
)


@st.composite
def policies(draw):
    policy = {section: dict(named) for section, named in words.NAMES.items()}
    members = some(st.sampled_from(["alice@", "bob@", "carol@example.com"]), any_alias)
    policy["groups"] |= draw(
        st.dictionaries(mostly(st.just("group:x"), st.sampled_from(words.NAMES_OF["groups"])), members, max_size=1)
    )
    owners = some(st.sampled_from(["alice@", "group:a", "bob@"]), any_alias)
    policy["tagOwners"] |= draw(
        st.dictionaries(mostly(st.just("tag:x"), st.sampled_from(words.NAMES_OF["tagOwners"])), owners, max_size=1)
    )
    networks = mostly(st.sampled_from(words.NETWORKS[:5]), st.sampled_from(words.NETWORKS))
    policy["hosts"] |= draw(
        st.dictionaries(mostly(st.just("x"), st.sampled_from(words.NAMES_OF["hosts"])), networks, max_size=1)
    )
    sections = {"acls": acl, "ssh": login}
    if draw(st.booleans()):
        # Older versions refuse these, and would say nothing of the rest.
        sections |= {"grants": grant, "nodeAttrs": attributes, "tests": tested, "sshTests": login_tested}
    for section, rules in sections.items():
        policy |= draw(st.fixed_dictionaries({}, optional={section: st.lists(rules, max_size=2)}))
    return policy | draw(st.fixed_dictionaries({}, optional={"autoApprovers": approvers}))


def cases() -> Iterator[Case]:
    """Yield the same policies at each run."""
    found: dict[str, None] = {}

    @settings(
        max_examples=COUNT,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(policies())
    def draw(policy):
        found[json.dumps(policy)] = None

    draw()
    for number, text in enumerate(found):
        yield Case("drawn", f"drawn {number}", text, users=words.USERS)
