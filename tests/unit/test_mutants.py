"""That the runner of mutants tells a killed one from one that survives, and both from one that proves nothing."""

import pytest

from tests.mutants import __main__ as runner
from tests.mutants.__main__ import MutantError, find_source, killed, killer_of
from tests.mutants.table import MUTANTS, Mutant

SOURCE = "def double(number):\n    return number + number\n"
TEST = "from headscale_core.double import double\n\n\ndef test_double():\n    assert double(2) == 4\n"
PASSES = "def test_nothing():\n    pass\n"


@pytest.fixture
def tree(tmp_path):
    """A product of one function, with one test that looks at it and one that does not."""
    for folder in runner.PACKAGES:
        (tmp_path / folder).mkdir()
    (tmp_path / "headscale_core" / "double.py").write_text(SOURCE)
    (tmp_path / "test_double.py").write_text(TEST)
    (tmp_path / "test_nothing.py").write_text(PASSES)
    return tmp_path


def mutant(old="number + number", new="number", file="headscale_core/double.py", tests=("test_double.py",)):
    return Mutant("a mutant", file, old, new, tests)


def test_killed_mutant_is_named_with_its_test(tree, capsys):
    found = killed(tree, [mutant()], lambda value: value.tests)

    assert set(found.values()) == {"test_double.py::test_double"}
    assert capsys.readouterr().out == "a mutant: killed by test_double.py::test_double\n"
    assert (tree / "headscale_core" / "double.py").read_text() == SOURCE


def test_mutant_that_changes_nothing_survives(tree, capsys):
    assert killed(tree, [mutant(new="2 * number")], lambda value: value.tests) == {mutant(new="2 * number"): None}
    assert capsys.readouterr().out == "a mutant: SURVIVES test_double.py\n"


def test_mutant_that_breaks_the_import_proves_nothing(tree):
    with pytest.raises(MutantError, match="pytest ended with code"):
        killer_of(tree, mutant(new="("), ["test_double.py"])


def test_tests_that_fail_anyway_prove_nothing(tree):
    (tree / "headscale_core" / "double.py").write_text(SOURCE.replace("+", "-"))

    with pytest.raises(MutantError, match=r"tests fail without any mutant: test_double\.py::test_double"):
        killed(tree, [mutant(old="def")], lambda value: value.tests)


@pytest.mark.parametrize("old", ["number - number", "number"], ids=["missing", "ambiguous"])
def test_text_that_is_not_there_once_proves_nothing(tree, old):
    with pytest.raises(MutantError, match="its source text is"):
        find_source(tree, mutant(old=old))


def test_text_that_moved_is_found(tree):
    (tree / "headscale_core" / "double.py").rename(tree / "headscale_component" / "twice.py")

    assert find_source(tree, mutant()).name == "twice.py"


def test_mutants_have_names_of_their_own():
    assert len({value.name for value in MUTANTS}) == len(MUTANTS) >= 28


@pytest.mark.parametrize("value", MUTANTS, ids=[value.name for value in MUTANTS])
def test_mutant_of_table_has_source_and_tests(value):
    assert find_source(runner.REPOSITORY, value)
    assert all((runner.REPOSITORY / path.partition("::")[0]).exists() for path in value.tests)
