"""The documentation site: every page is in its navigation, and pages of the top folder lead on."""

import re
from pathlib import Path

import pytest
import yaml

import headscale_component
from tools import site

TOP = Path(__file__).parents[2]


def pages(nav):
    """Yield the pages of a navigation: a list of pages, of sections, and of pages with a title of their own."""
    for entry in nav:
        inner = next(iter(entry.values())) if isinstance(entry, dict) else entry
        yield from [inner] if isinstance(inner, str) else pages(inner)


def test_navigation_has_every_page_once():
    text = (TOP / "mkdocs.yml").read_text()
    nav = yaml.safe_load(text[text.index("\nnav:") :])["nav"]
    listed = [*pages(nav)]

    assert sorted(listed) == sorted([*(page.name for page in (TOP / "docs").glob("*.md")), *site.PAGES.values()])


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("[x](docs/upgrade.md#restore)", "[x](upgrade.md#restore)"),
        ("[x](CHANGELOG.md)", "[x](changelog.md)"),
        ("[x](SECURITY.md) and [y](docs/faq.md)", "[x](security-policy.md) and [y](faq.md)"),
        ("[x](Makefile)", "x"),
        ("[x](https://example.com/docs/a.md)", "[x](https://example.com/docs/a.md)"),
        ("[x](#below)", "[x](#below)"),
    ],
)
def test_link_of_top_page_leads_on_in_site(written, shown):
    assert site.for_site(written) == shown


@pytest.mark.parametrize(
    ("heading", "anchor"),
    [
        ("What is in my state file?", "what-is-in-my-state-file"),
        ("`headscale:instances.<name>.apiKey`", "headscaleinstancesnameapikey"),
        ("1. Build and push the sidecar's image", "1-build-and-push-the-sidecars-image"),
    ],
)
def test_anchor_is_that_of_github(heading, anchor):
    assert site.slug(heading, "-") == anchor


def test_python_reference_has_every_public_name():
    page = (TOP / "docs" / "python-api.md").read_text()
    shown = re.findall(r"^::: [\w.]+\.(\w+)$", page, re.MULTILINE)

    assert sorted(shown) == sorted(headscale_component.__all__)
