"""A Headscale user as a Pulumi resource."""

from typing import Any

import pulumi
from pulumi.dynamic import CheckResult, CreateResult, DiffResult, ReadResult, Resource, UpdateResult

from dynamic_providers.channel import HeadscaleGone, repeat_safely, utc_now
from dynamic_providers.provider import HeadscaleProvider, Props, changed, checked
from dynamic_providers.rules import user as rules
from headscale_api import User as HeadscaleUser
from headscale_api import fields

_PROFILE = ("display_name", "email", "picture_url")


class UserProvider(HeadscaleProvider):
    """Adapter of the user's rules. Its dotted path is in people's state: moving it needs an alias here."""

    def check(self, _olds: Props, news: Props) -> CheckResult:
        """Check what is known, without any call."""
        return checked(
            news,
            {
                "username": fields.dns_label,
                "display_name": fields.display_name,
                "email": fields.email,
                "picture_url": fields.picture_url,
            },
        )

    def diff(self, _id: str, olds: Props, news: Props) -> DiffResult:
        """Rename in place; replace where Headscale cannot change what differs. No call is made."""
        profile = changed(_PROFILE, olds, news)
        renamed = changed(("username",), olds, news)
        return DiffResult(changes=bool(profile or renamed), replaces=profile, delete_before_replace=True)

    def create(self, props: Props) -> CreateResult:
        """Find or make the user, so that a repeat makes no second one."""

        def find_or_create() -> HeadscaleUser:
            with self.channel.session() as client:
                return rules.find_or_create(client, props["username"], _profile(props))

        user = repeat_safely(find_or_create)
        return CreateResult(str(user.id), _outputs(props, user))

    def read(self, id_: str, props: Props) -> ReadResult:
        """Return the user as it is now; gone is gone."""
        with self.channel.session() as client:
            user = rules.read(client, id_)
        if user is None:
            return ReadResult("", {})
        actual = {
            **props,
            "username": user.name,
            "display_name": user.display_name or None,
            "email": user.email or None,
            "picture_url": user.picture_url or None,
        }
        outs = _outputs(actual, user)
        return ReadResult(id_, outs, {name: its for name, its in outs.items() if name not in {"user_id", "created_at"}})

    def update(self, id_: str, _olds: Props, news: Props) -> UpdateResult:
        """Rename the user; its id stays. Renaming twice is renaming once."""

        def rename() -> HeadscaleUser:
            with self.channel.session() as client:
                return rules.rename(client, id_, news["username"])

        return UpdateResult(_outputs(news, repeat_safely(rename)))

    def delete(self, id_: str, _props: Props) -> None:
        """Delete the user unless that would harm; one that is gone, or gone with its Headscale, is done."""

        def delete() -> None:
            with self.channel.session() as client:
                rules.delete(client, id_, utc_now())

        try:
            repeat_safely(delete)
        except HeadscaleGone:
            return


class User(Resource, module="headscale", name="User"):
    """A user of a Headscale.

    Attributes:
        username: Its name; a change renames it in place.
        display_name: The person's name. A change of this and the two below replaces the user.
        email: The person's e-mail address.
        picture_url: Address of the person's picture.
        user_id: Headscale's id of it, as text.
        created_at: When it was made, RFC 3339.
    """

    username: pulumi.Output[str]
    display_name: pulumi.Output[str | None]
    email: pulumi.Output[str | None]
    picture_url: pulumi.Output[str | None]
    user_id: pulumi.Output[str]
    created_at: pulumi.Output[str]

    def __init__(
        self,
        resource_name: str,
        *,
        username: pulumi.Input[str],
        display_name: pulumi.Input[str] | None = None,
        email: pulumi.Input[str] | None = None,
        picture_url: pulumi.Input[str] | None = None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declare a user; `opts.provider` is its `HeadscaleConnection`."""
        props: dict[str, Any] = {
            "username": username,
            "display_name": display_name,
            "email": email,
            "picture_url": picture_url,
            "user_id": None,
            "created_at": None,
        }
        super().__init__(UserProvider(), resource_name, props, opts)


def _profile(props: Props) -> rules.Profile:
    return rules.Profile(*(props.get(name) or "" for name in _PROFILE))


def _outputs(props: Props, user: HeadscaleUser) -> Props:
    created_at = user.created_at.isoformat() if user.created_at else ""
    return {**props, "user_id": str(user.id), "created_at": created_at}
