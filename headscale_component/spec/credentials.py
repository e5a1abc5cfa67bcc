"""User and password of a URL (https://www.rfc-editor.org/rfc/rfc3986#section-3.2.1): no message shows them."""

from __future__ import annotations

import re

_IN_ADDRESS = re.compile(r"(?<=://)[^/]*@|^[^/]*@")
_IN_MESSAGE = re.compile(r"(?<=://)[^`]*@")


def without_credentials(address: str) -> str:
    """Return a URL, or a host with its port, without the user and password in it."""
    return _IN_ADDRESS.sub("", address)


def hide_credentials(message: str) -> str:
    """Return a message with `…` in place of user and password of the URLs that it quotes."""
    return _IN_MESSAGE.sub("…@", message)
