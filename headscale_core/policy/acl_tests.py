"""The tests in a policy, as far as nodes are missing that they are about.

Headscale runs them whenever a policy is stored, and refuses the whole policy where the source or a destination of one
has no node yet (0.29 and newer: https://github.com/juanfont/headscale/pull/3229, and hscontrol/policy/v2/test.go and
sshtest.go there): before the first node there would be no policy at all, by which everything is open. This module can
go when Headscale stores a policy whose tests it cannot resolve.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from typing import Any

from headscale_core import ApiError, HeadscaleClient
from headscale_core.values import hujson

_SECTIONS = {"tests": "tests", "sshtests": "sshTests"}
_NO_NODES = ("resolved to no IP addresses", "resolved to no nodes", "failed to resolve source")
_HEADINGS = ("test(s) failed:", "multiple errors:")


def _has_only_unresolvable_tests(refusal: str) -> bool:
    """Return whether a policy is refused for nothing but tests whose nodes, or users, are not there yet."""
    lines = [line for line in refusal.splitlines() if line.strip() and not line.endswith(_HEADINGS)]
    return bool(lines) and all(any(words in line for words in _NO_NODES) for line in lines)


def has_unresolvable_tests(refusal: str) -> bool:
    """Return whether a policy is refused for such tests, among others."""
    return any(words in refusal for words in _NO_NODES)


def unresolvable_tests(client: HeadscaleClient, policy: str) -> list[str]:
    """Return the tests that cannot be run before their nodes have joined, as `tests[0]`; each is tried alone."""
    document = _document(policy)
    plain = {key: value for key, value in document.items() if key.lower() not in _SECTIONS}
    found = []
    for name, section, test in _tests(document):
        try:
            client.check_policy(_text({**plain, section: [test]}))
        except ApiError as error:
            if error.retryable:
                raise
            if _has_only_unresolvable_tests(error.detail):
                found.append(name)
    return found


def without_tests(policy: str, names: Collection[str]) -> str:
    """Return a policy without some of its tests."""
    if not names:
        return policy
    document = _document(policy)
    kept: dict[str, list[Any]] = {}
    for name, section, test in _tests(document):
        kept.setdefault(section, []).extend([] if name in names else [test])
    return _text({key: value for key, value in (document | kept).items() if key not in kept or value})


def skipped_tests(stored: str, declared: str) -> list[str] | None:
    """Return the tests that a stored policy lacks of a declared one, None where it differs by more than those."""
    try:
        found, whole = _document(stored), _document(declared)
    except ValueError:
        return None
    there = [(section, test) for _, section, test in _tests(found)]
    missing = []
    for name, section, test in _tests(whole):
        if there and there[0] == (section, test):
            there.pop(0)
        else:
            missing.append(name)
    return missing if not there and _rest(found) == _rest(whole) else None


def has_tests(policy: str) -> bool:
    """Return whether a policy has tests."""
    return any(_tests(_document(policy)))


def describe(policy: str, names: Collection[str]) -> str:
    """Return the names of tests, each with its source."""
    sources = {name: test.get("src") for name, _, test in _tests(_document(policy)) if isinstance(test, dict)}
    return ", ".join(f"`{name}` (src `{sources.get(name)}`)" for name in names)


def _document(policy: str) -> dict[str, Any]:
    document = hujson.parse(policy)
    return document if isinstance(document, dict) else {}


def _text(document: dict[str, Any]) -> str:
    # Headscale reads some names without their escapes: `"tag:\\u00e9"` is another tag than `tag:é` to it.
    return json.dumps(document, indent=2, ensure_ascii=False)


def _tests(document: dict[str, Any]) -> Iterator[tuple[str, str, Any]]:
    """Yield each test with its name, and the section as it is spelt: Headscale minds no capitals."""
    for section, tests in document.items():
        name = _SECTIONS.get(section.lower())
        for index, test in enumerate(tests if name and isinstance(tests, list) else ()):
            yield f"{name}[{index}]", section, test


def _rest(document: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in document.items() if key.lower() not in _SECTIONS}
