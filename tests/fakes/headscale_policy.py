"""What Headscale refuses of a policy, as far as tests need it.

Sources: hscontrol/policy/v2/types.go and, for the tests in a policy (0.29), hscontrol/policy/v2/test.go, of
https://github.com/juanfont/headscale.
"""

from headscale_core.values import hujson

SECTIONS = {
    "acls", "autoapprovers", "grants", "groups", "hosts", "nodeattrs", "ssh", "sshtests", "tagowners", "tests",
    "randomizeclientport",
}  # fmt: skip
TESTS_SINCE = 29


def refusal(text, minor, addresses_of):
    """Return why a policy is refused, None where it is taken.

    Args:
        text: The policy, in HuJSON; empty for none.
        minor: The minor version of the Headscale.
        addresses_of: Returns the addresses of the nodes of a user or a tag.
    """
    if not text:
        return None
    try:
        document = hujson.parse(text)
    except ValueError as error:
        return f"parsing policy: {error}"
    if not isinstance(document, dict):
        return "parsing policy: json: cannot unmarshal into Go value of type v2.Policy"
    for name in document:
        if name.lower() not in SECTIONS:
            return f"parsing policy: unknown field {name!r}"
    return _undefined(document) or (_failed_tests(document, addresses_of) if minor >= TESTS_SINCE else None)


def _undefined(document):
    defined = {*(document.get("groups") or {}), *(document.get("tagOwners") or {})}
    for rule in [*(document.get("acls") or ()), *(document.get("grants") or ())]:
        for alias in [*rule.get("src", ()), *rule.get("dst", ())]:
            kind = alias.partition(":")[0]
            name = ":".join(alias.split(":")[:2])
            if kind in {"group", "tag"} and name not in defined:
                return f'parsing policy: {kind} not defined in policy: "{name}"'
    return None


def _failed_tests(document, addresses_of):
    failed = [
        f'source "{test["src"]}" resolved to no IP addresses'
        for test in document.get("tests") or ()
        if not addresses_of(test["src"])
    ]
    return "\n".join(["test(s) failed:", *failed]) if failed else None
