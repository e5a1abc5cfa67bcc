"""A user of the tailnet."""

from __future__ import annotations

from pydantic import Field, StrictBool

from headscale_component.spec.model import SpecModel
from headscale_component.spec.values import Adoption, DisplayName, Email, PictureUrl, Username


class UserSpec(SpecModel):
    """A Headscale user; its name is its key under `users`: letters, digits, `-`, `.`, `_` and at most one `@`.

    Headscale can rename a user but never change the profile: a change of `displayName`, `email` or `pictureURL`
    replaces the user by one with another id, which is refused while it has nodes. What is left out is left as it is.
    """

    display_name: DisplayName | None = None
    """The person's name, for people to read; at most 255 characters."""

    email: Email | None = None
    """The person's e-mail address, which policies may refer to; at most 320 characters."""

    picture_url: PictureUrl | None = Field(default=None, alias="pictureURL")
    """An http(s) address of the person's picture; at most 2048 characters."""

    adopt: Adoption = None
    """Whether a user that exists already is kept from now on, one from an identity provider too. `true`: the one of
    this name; where there is none and the name is an e-mail address, the one to whom an identity provider gave that
    address and no name, as Google does; where there is none either, a user is made. Or Headscale's id of it, where
    several bear the name or it has none: exactly that user, and never is one made. Fields that are not declared stay
    as they are. Default: the instance's `adoptUsers`."""

    renamed_from: Username | None = None
    """The name under which it was declared before: the user is renamed in place, and keeps its id, nodes and keys. May
    be left out again after the next `pulumi up`."""

    force_delete: StrictBool = False
    """Whether its nodes are deleted with it, when it is removed from here; they have to join again. Otherwise a user
    with nodes is kept, and the error names them. Has to be in effect (`pulumi up`) before the user is removed."""

    retain: StrictBool = False
    """Whether the user stays in Headscale when it is removed from here."""
