"""That every file, name and command in CONTRIBUTING.md exists, so that a newcomer who follows it finds the place."""

import re
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
TEXT = re.sub(r"^```.*?^```$", "", (REPOSITORY / "CONTRIBUTING.md").read_text(), flags=re.MULTILINE | re.DOTALL)
QUOTED = sorted(set(re.findall(r"`([^`]+)`", TEXT)))
LINKS = sorted(set(re.findall(r"\]\(([^)#]+)[^)]*\)", TEXT)))
PLACED = sorted(set(re.findall(r"`([\w.]+)` (?:in|of|from) `([\w./]+\.py)`", TEXT)))
"""Names that are said to be in a file: `secret_for` in `headscale_core/keys/api_key_secret.py`."""

OF_PYTHON = {"get_event_loop", "iscoroutinefunction"}
"""Names of asyncio."""

PATHS = [text for text in QUOTED if re.fullmatch(r"[\w./-]*(/|\.(py|md|toml|ya?ml))[\w./-]*", text)]
COMMANDS = [match[1] for text in QUOTED if (match := re.fullmatch(r"(?:[A-Z_]+=\S+ )?make ([\w-]+)", text))]
NAMES = [text for text in QUOTED if re.fullmatch(r"[A-Za-z_][\w.]*", text) and text not in {*PATHS, *OF_PYTHON}]


def words_in(*paths):
    return {word for path in paths for word in re.findall(r"\w+", path.read_text())}


@pytest.fixture(scope="module")
def words():
    """Every word in the Python files of the repository but this one's; a folder is one by its name."""
    folders = [path for path in REPOSITORY.iterdir() if path.is_dir() and not path.name.startswith(".")]
    files = [path for folder in folders for path in folder.rglob("*.py") if path != Path(__file__)]
    return words_in(*files) | {folder.name for path in files for folder in path.parents}


@pytest.mark.parametrize("path", [*PATHS, *LINKS])
def test_path_of_contributing_exists(path):
    assert (REPOSITORY / path).exists(), f"`{path}` is not in the repository; correct CONTRIBUTING.md"


@pytest.mark.parametrize("name", NAMES)
def test_name_of_contributing_is_in_source(name, words):
    assert words.issuperset(name.split(".")), f"`{name}` is in no Python file; correct CONTRIBUTING.md"


@pytest.mark.parametrize(("name", "path"), PLACED)
def test_name_is_in_the_file_that_contributing_names(name, path):
    assert words_in(REPOSITORY / path).issuperset(name.split(".")), f"`{name}` is not in {path}"


@pytest.mark.parametrize("target", COMMANDS)
def test_command_of_contributing_is_a_target(target):
    assert re.search(rf"^{target}\b.*:", (REPOSITORY / "Makefile").read_text(), re.MULTILINE), f"no target {target}"


@pytest.mark.parametrize("path", ["manifests/config_yaml.py", "headscale_core/keys/marks.py"])
def test_contributing_check_rejects_unknown_path(path):
    with pytest.raises(AssertionError, match="is not in the repository"):
        test_path_of_contributing_exists(path)


def test_contributing_check_rejects_unknown_name(words):
    with pytest.raises(AssertionError, match="is in no Python file"):
        test_name_of_contributing_is_in_source("_secret_of", words)


def test_contributing_names_files_names_and_commands():
    assert min(len(PATHS), len(NAMES), len(COMMANDS), len(LINKS), len(PLACED)) >= 5
