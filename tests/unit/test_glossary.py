"""That every name in the glossary's last column is in the code, so that who greps for it finds the place."""

import importlib
import re
from pathlib import Path

import pytest

from tools.architecture import ROOTS

REPOSITORY = Path(__file__).parents[2]
ROW = re.compile(r"^\| (?!Term |---)(.+) \| (.+) \| (.+) \|$", re.MULTILINE)
ROWS = ROW.findall((REPOSITORY / "docs" / "glossary.md").read_text())
NAMES = sorted({name for *_, code in ROWS for name in re.findall(r"`([^`]+)`", code)})


def importable(name):
    """Return whether a dotted name is a module, or an attribute of one or of a class in it."""
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        try:
            found = importlib.import_module(".".join(parts[:length]))
        except ModuleNotFoundError:
            continue
        for part in parts[length:]:
            found = getattr(found, part, None)
        return found is not None
    return False


def in_source(text):
    return any(text in path.read_text() for root in ROOTS for path in (REPOSITORY / root).rglob("*.py"))


@pytest.mark.parametrize("name", NAMES)
def test_code_name_of_glossary_exists(name):
    found = (REPOSITORY / name).is_file() or in_source(f'"{name}"') if "/" in name else importable(name)

    assert found, f"`{name}` is not in the code; correct docs/glossary.md"


def test_glossary_says_each_term_once():
    terms = [term for term, *_ in ROWS]

    assert len(terms) == len(set(terms)) > 30


@pytest.mark.parametrize(("term", "code"), [(term, code) for term, _, code in ROWS])
def test_glossary_names_code_for_each_term(term, code):
    assert re.findall(r"`[^`]+`", code), f"`{term}` has no name in the code"


@pytest.mark.parametrize("name", ["headscale_core.keys.api_key.retire", "headscale_core/keys/marks.py", "no-such/mark"])
def test_glossary_check_rejects_unknown_name(name):
    with pytest.raises(AssertionError, match="is not in the code"):
        test_code_name_of_glossary_exists(name)
