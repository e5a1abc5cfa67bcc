"""The documentation site: every page is in its navigation, and pages of the top folder lead on."""

import re
import subprocess
from pathlib import Path

import pytest
import yaml

import headscale_component
from tools import mermaid, site

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


DIAGRAM = '<p>a</p><pre class="mermaid"><code>flowchart LR\na --&gt; b</code></pre><p>b</p>'
SCRIPT = f'<script src="../{site.MERMAID}"></script>'


def test_diagram_is_put_into_a_box_that_scrolls():
    shown = site.on_page_content(DIAGRAM)

    assert shown.startswith('<p>a</p><div class="diagram"><pre class="mermaid">')
    assert shown.endswith("</pre></div><p>b</p>")
    assert "useMaxWidth" not in shown


def test_large_diagram_is_drawn_in_its_natural_size():
    shown = site.on_page_content(DIAGRAM.replace("flowchart LR\n", "flowchart LR\n" + "a --&gt; c\n" * 50))

    assert '<pre class="mermaid"><code>%%{init: {"flowchart": {"useMaxWidth": false}}}%%\nflowchart LR\n' in shown


@pytest.mark.parametrize(("page", "is_loaded"), [(DIAGRAM, True), ("<p>a</p>", False)], ids=["diagram", "text"])
def test_mermaid_is_loaded_where_there_is_a_diagram(page, is_loaded):
    assert (SCRIPT in site.on_post_page(page + SCRIPT)) is is_loaded


def test_site_names_the_script_that_the_hook_adds():
    assert f"extra_javascript: [{site.MERMAID}]" in (TOP / "mkdocs.yml").read_text()


def test_package_with_another_checksum_is_refused(tmp_path, monkeypatch):
    def brings_another(command, cwd, **_):
        (cwd / f"mermaid-{mermaid.VERSION}.tgz").write_bytes(b"another")
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(subprocess, "run", brings_another)

    with pytest.raises(mermaid.MermaidError, match="has the checksum"):
        mermaid.script(tmp_path)
    assert not list(tmp_path.iterdir())


def test_machine_without_npm_is_reported(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(mermaid.MermaidError, match="npm is not installed"):
        mermaid.script(tmp_path)


def test_script_in_the_cache_is_taken(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    (tmp_path / f"mermaid-{mermaid.VERSION}.min.js").write_text("kept")

    assert mermaid.script(tmp_path) == "kept"


def test_python_reference_has_every_public_name():
    page = (TOP / "docs" / "python-api.md").read_text()
    shown = re.findall(r"^::: [\w.]+\.(\w+)$", page, re.MULTILINE)

    assert sorted(shown) == sorted(headscale_component.__all__)
