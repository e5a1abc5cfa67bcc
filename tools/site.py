"""What `mkdocs.yml` needs of us: the pages of the repository's top folder, Mermaid, and anchors as GitHub makes them.

GitHub wants `CHANGELOG.md` and the others at the top (https://docs.github.com/en/communities), and one text is enough;
the pages in `docs/` are read there too, so their links have to lead somewhere in both places.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from tools import mermaid

TOP = Path(__file__).parents[1]
PAGES = {
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security-policy.md",
    "SUPPORT.md": "support.md",
}
"""Pages of the top folder, and their names in the site."""

MERMAID = "javascripts/mermaid.min.js"
"""Where the site serves Mermaid; `extra_javascript` of `mkdocs.yml` loads it."""

_LOADS_MERMAID = re.compile(rf'<script src="[^"]*{re.escape(MERMAID)}"></script>')
_DIAGRAM = re.compile(r'<pre class="mermaid"><code>(.*?)</code></pre>', re.DOTALL)
_MANY_LINES = 40
_NATURAL_SIZE = '%%{init: {"flowchart": {"useMaxWidth": false}}}%%'
"""Mermaid's directive that draws a flowchart no smaller than it is: https://mermaid.js.org/config/directives.html."""

_LINK = re.compile(r"\[([^\]]+)\]\(([^)\s:#]+)(#[^)\s]*)?\)")


def on_files(files: Any, config: Any) -> Any:  # noqa: ANN401 - MkDocs is not installed where this is checked
    """Add the pages: https://www.mkdocs.org/dev-guide/plugins/#on_files."""
    from mkdocs.exceptions import PluginError  # type: ignore[import-not-found] # noqa: PLC0415 - only in the docs' venv
    from mkdocs.structure.files import File  # type: ignore[import-not-found] # noqa: PLC0415 - the same

    for name, target in PAGES.items():
        files.append(File.generated(config, target, content=for_site((TOP / name).read_text())))
    try:
        files.append(File.generated(config, MERMAID, content=mermaid.script()))
    except mermaid.MermaidError as error:
        raise PluginError(str(error)) from None
    return files


def on_page_content(html: str, **_: object) -> str:
    """Put each diagram into a box that a phone can scroll: https://www.mkdocs.org/dev-guide/plugins/#on_page_content."""
    return _DIAGRAM.sub(_box, html)


def on_post_page(output: str, **_: object) -> str:
    """Load Mermaid on pages with a diagram alone: https://www.mkdocs.org/dev-guide/plugins/#on_post_page."""
    return output if 'class="mermaid"' in output else _LOADS_MERMAID.sub("", output)


def slug(heading: str, separator: str) -> str:
    """Return the anchor of a heading: https://python-markdown.github.io/extensions/toc/#slugify."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", separator)


def for_site(text: str) -> str:
    """Return a page of the top folder with its links as they are in the site; a link to another file becomes text."""
    return _LINK.sub(_link, text)


def _box(found: re.Match[str]) -> str:
    source = found[1]
    if source.count("\n") > _MANY_LINES:
        source = f"{_NATURAL_SIZE}\n{source}"
    return f'<div class="diagram"><pre class="mermaid"><code>{source}</code></pre></div>'


def _link(found: re.Match[str]) -> str:
    text, path, anchor = found.groups()
    target = _target(path)
    return f"[{text}]({target}{anchor or ''})" if target else text


def _target(path: str) -> str | None:
    return PAGES.get(path) or (path.removeprefix("docs/") if path.startswith("docs/") else None)
