"""What a person reads: links lead somewhere, YAML is accepted, quoted messages are those of the code."""

import ast
import re
from pathlib import Path

import pytest
import yaml

from headscale_component import load_instances
from tools.architecture import ROOTS

REPOSITORY = Path(__file__).parents[2]
PAGES = [*sorted(REPOSITORY.glob("*.md")), *sorted((REPOSITORY / "docs").glob("*.md"))]
LINK = re.compile(r"(?<!!)\[[^\]]+\]\(([^)\s]+)\)")
TROUBLESHOOTING = (REPOSITORY / "docs" / "troubleshooting.md").read_text()
MESSAGES = re.findall(r"^\| `([^`]+)` \|", TROUBLESHOOTING, re.MULTILINE)
LONGEST_README = 240
PATH = re.compile(r"`((?:[\w.-]+/)+(?:[\w.-]+\.\w+)?)`")
CHECKOUT = {path.name for path in REPOSITORY.iterdir()}
ELSEWHERE = {"stacks/Pulumi.own.yaml"}
"""What `make up` writes and git ignores."""


def prose(page):
    return re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)


def anchors(page):
    """Return the anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def links():
    for page in PAGES:
        for target in LINK.findall(prose(page)):
            if "://" not in target:
                yield pytest.param(page, target, id=f"{page.name}:{target}")


def stacks():
    for page in PAGES:
        for block in re.findall(r"^```yaml\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL):
            yield pytest.param(block, id=f"{page.name}:{block.count(chr(10))} lines")


def constants():
    """Return every text in the product's code, with what is written in several parts as one."""
    for root in ROOTS:
        for path in (REPOSITORY / root).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    yield node.value


@pytest.fixture(scope="module")
def texts():
    return "\0".join(constants())


@pytest.mark.parametrize(("page", "target"), [*links()])
def test_relative_link_leads_to_file_and_heading(page, target):
    path, _, anchor = target.partition("#")
    file = (page.parent / path).resolve() if path else page

    assert file.exists()
    assert not anchor or anchor in anchors(file)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_path_named_on_a_page_exists(page):
    named = {path for path in PATH.findall(prose(page)) if path.split("/")[0] in CHECKOUT} - ELSEWHERE

    assert not [path for path in named if not (REPOSITORY / path).exists()]


@pytest.mark.parametrize("block", [*stacks()])
def test_stack_file_of_a_page_is_accepted(block):
    assert load_instances(yaml.safe_load(block)["config"]["headscale:instances"])


@pytest.mark.parametrize("message", MESSAGES)
def test_message_of_troubleshooting_is_in_the_code(texts, message):
    assert message in texts


def test_readme_links_to_every_page():
    linked = {target.partition("#")[0] for target in LINK.findall(prose(REPOSITORY / "README.md"))}

    assert {str(page.relative_to(REPOSITORY)) for page in PAGES} - {"README.md"} <= linked


def test_readme_stays_short():
    assert len((REPOSITORY / "README.md").read_text().splitlines()) <= LONGEST_README
