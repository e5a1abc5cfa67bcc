"""A user of the tailnet."""

from __future__ import annotations

from pydantic import Field

from headscale_component.spec.model import SpecModel
from headscale_component.spec.values import DisplayName, Email, PictureUrl


class UserSpec(SpecModel):
    """A Headscale user; its name is its key under `users`.

    Headscale can rename a user but never change the other fields: a change of them replaces the user, which is
    refused while it has nodes.
    """

    display_name: DisplayName | None = None
    """The person's name, for people to read; at most 255 characters."""

    email: Email | None = None
    """The person's e-mail address, which policies may refer to; at most 320 characters."""

    picture_url: PictureUrl | None = Field(default=None, alias="pictureURL")
    """An http(s) address of the person's picture; at most 2048 characters."""
