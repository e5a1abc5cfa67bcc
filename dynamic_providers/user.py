"""A Headscale user as a Pulumi resource."""

from datetime import datetime
from typing import Any, ClassVar

import pulumi
from pulumi.dynamic import (
    CheckResult,
    CreateResult,
    DiffResult,
    ReadResult,
    UpdateResult,
)

from dynamic_providers.admin.channel import InstanceNotFound, InstanceStopped, retry_idempotent, utc_now
from dynamic_providers.provider import HeadscaleProvider, Props, another_database, changed, checked, keep_outputs
from dynamic_providers.renamed_outputs import state_if_same, under_present_names
from dynamic_providers.resource import HeadscaleResource
from headscale_core import HeadscaleClient
from headscale_core import User as HeadscaleUser
from headscale_core.keys.recovery import KeyRecovery
from headscale_core.users import lifecycle as rules
from headscale_core.values import validators

_PROFILE = ("display_name", "email", "picture_url")
_COMPUTED = ("user_id", "created_at", "unmanaged_profile")
_RENAMED = {"undeclared": "unmanaged_profile"}


class UserProvider(HeadscaleProvider):
    """Adapter of the user's rules. Its dotted path is in people's state: moving it needs an alias here."""

    def check(self, _olds: Props, news: Props) -> CheckResult:
        """Check what is known, without any call."""
        return checked(
            news,
            {
                "username": validators.username,
                "display_name": validators.display_name,
                "email": validators.email,
                "picture_url": validators.picture_url,
            },
        )

    def diff(self, id_: str, olds: Props, news: Props) -> DiffResult:
        """Rename in place; replace where Headscale cannot change what differs, without a request."""
        olds = _current(olds)
        unmanaged = olds.get("unmanaged_profile") or {}
        profile = changed(_declared(news), {name: olds.get(name) or unmanaged.get(name) for name in _PROFILE}, news)
        others = changed(("username", "force_delete"), olds, news)
        if moved := another_database(olds, news):
            return DiffResult(changes=True, replaces=moved, delete_before_replace=False)
        if profile:
            self.channel.journal.replaced_users[news["username"]] = _known(id_, olds)
            pulumi.log.warn(rules.replacement_warning(olds["username"], profile))
        # One that is replaced is deleted in `create`, where it is known that nothing is lost by that: the engine would
        # delete the Secrets of its keys first, and then the user as one that is removed.
        return DiffResult(changes=bool(profile or others), replaces=profile, delete_before_replace=False)

    def create(self, props: Props) -> CreateResult:
        """Find or create the user, so that a repeat creates no second one; the one it replaces is deleted first."""
        replaced = self.channel.journal.replaced_users.get(props["username"])

        def find_or_create() -> HeadscaleUser:
            with self.channel.change(exclusive=replaced is not None) as client:
                if replaced:
                    recreated = rules.delete_for_replacement(
                        client,
                        replaced,
                        props["username"],
                        utc_now(),
                        self.channel.user_registry,
                        recovery=self._key_recovery(client),
                    )
                    _warn_recreated(recreated)
                # One that takes the place of an adopted one is another one.
                adopt = None if replaced else props.get("adopt")
                return rules.find_or_create(
                    client, props["username"], _profile(props), self.channel.user_registry, adopt=adopt
                )

        user = retry_idempotent(find_or_create)
        self.channel.journal.created_this_run.add(("user", str(user.id)))
        return CreateResult(str(user.id), _outputs(props, user))

    def read(self, id_: str, props: Props) -> ReadResult:
        """Return the user as it is now; gone is gone."""
        try:
            user = self.channel.lists.users().get(id_)
        except InstanceNotFound:
            # The instance is to be recreated, and its data may be there still.
            self._require_evidence(props)
            return ReadResult(id_, props, _inputs(_current(props)))
        except InstanceStopped as error:
            self.channel.instance_status.warn_refresh_skipped(error)
            return ReadResult(id_, props, _inputs(_current(props)))
        if user is None or not _known(id_, props).is_same_user(user):
            return ReadResult("", {})
        found = {name: value or None for name, value in _profile_of(user).items() if name in _declared(props)}
        name = rules.declared_name(user, props["username"])
        current = _current(props)
        outs = _outputs({**_inputs(current), **found, "username": name}, user)
        return ReadResult(id_, state_if_same(outs, props, current), _inputs(outs))

    def update(self, id_: str, olds: Props, news: Props) -> UpdateResult:
        """Rename the user; its id stays. Renaming twice is renaming once."""
        if not changed(("username",), olds, news):
            return UpdateResult(keep_outputs(news, _current(olds), _COMPUTED))

        def rename() -> HeadscaleUser:
            with self.channel.change() as client:
                return rules.rename(client, _known(id_, olds), news["username"], self.channel.user_registry)

        return UpdateResult(_outputs(news, retry_idempotent(rename)))

    def delete(self, id_: str, props: Props) -> None:
        """Delete the user unless that would harm; one that is gone, or gone with its Headscale, is done."""
        if ("user", id_) in self.channel.journal.created_this_run:
            # `pulumi up --replace` and a taint have no diff: `create` has found the same one.
            return

        def delete() -> list[str]:
            with self.channel.change(exclusive=True, wait_for_pod=False) as client:
                return rules.delete(
                    client,
                    _known(id_, props),
                    utc_now(),
                    self.channel.user_registry,
                    delete_nodes=bool(props.get("force_delete")),
                    recovery=self._key_recovery(client),
                )

        try:
            _warn_recreated(retry_idempotent(delete))
        except InstanceNotFound:
            self._require_evidence(props)
        except InstanceStopped as error:
            # Whether it has nodes, which would lose their owner, is known to Headscale alone.
            raise rules.UserError(
                f"user `{props['username']}` cannot be deleted: {error}; start the instance first"
            ) from None

    def _require_evidence(self, props: Props) -> None:
        name = props["username"]
        self.channel.require_proof_of_deletion(f"user `{name}`", user=name)

    def _key_recovery(self, client: HeadscaleClient) -> KeyRecovery | None:
        settings = self.channel.settings
        if settings.keys_on_user_deletion not in ("recreate", "remake"):
            return None
        secrets = self.channel.secrets("preauth-key")
        return KeyRecovery(client, secrets, secrets.list_in_all_namespaces, utc_now())


class User(HeadscaleResource, module="headscale", name="User"):
    """A user of a Headscale.

    Attributes:
        username: Its name; a change renames it in place.
        database: Identifies its database; in another one it is recreated; None where the resource
            is `deleted_with` one that is replaced then, as the component's users are.
        display_name: The person's name. A change of this and the two below replaces the user, which is refused while
            it has nodes; what is None is left as it is.
        email: The person's e-mail address.
        picture_url: Address of the person's picture.
        adopt: Whether one that exists is adopted: `true`, or the id of the one to take; None for not.
        force_delete: Whether its nodes are deleted with it; None for not: it is kept while it has nodes.
        user_id: Headscale's id of it, as text.
        created_at: When it was created, RFC 3339.
    """

    computed: ClassVar[tuple[str, ...]] = ("user_id", "created_at")
    username: pulumi.Output[str]
    display_name: pulumi.Output[str | None]
    email: pulumi.Output[str | None]
    picture_url: pulumi.Output[str | None]
    adopt: pulumi.Output[str | None]
    force_delete: pulumi.Output[bool | None]
    user_id: pulumi.Output[str]
    created_at: pulumi.Output[str]

    def __init__(
        self,
        resource_name: str,
        *,
        username: pulumi.Input[str],
        database: pulumi.Input[str] | None = None,
        display_name: pulumi.Input[str] | None = None,
        email: pulumi.Input[str] | None = None,
        picture_url: pulumi.Input[str] | None = None,
        adopt: pulumi.Input[str] | None = None,
        force_delete: pulumi.Input[bool] = False,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declare a user; `opts.provider` is its `HeadscaleConnection`."""
        props: dict[str, Any] = {
            "username": username,
            "database": database,
            "display_name": display_name,
            "email": email,
            "picture_url": picture_url,
            "adopt": adopt,
            "force_delete": force_delete or None,
        }
        super().__init__(UserProvider(), resource_name, props, opts)


def _profile(props: Props) -> rules.Profile:
    return rules.Profile(*(props.get(name) or "" for name in _PROFILE))


def _declared(props: Props) -> tuple[str, ...]:
    return tuple(name for name in _PROFILE if props.get(name))


def _profile_of(user: HeadscaleUser) -> dict[str, str]:
    return dict(zip(_PROFILE, (user.display_name, user.email, user.picture_url), strict=True))


def _outputs(props: Props, user: HeadscaleUser) -> Props:
    created_at = user.created_at.isoformat() if user.created_at else ""
    outs = {**props, "user_id": str(user.id), "created_at": created_at}
    # In the state, so that to declare later what it has already changes nothing.
    unmanaged = {name: value for name, value in _profile_of(user).items() if value and name not in _declared(props)}
    return {**outs, "unmanaged_profile": unmanaged} if unmanaged else outs


def _current(state: Props) -> Props:
    """Return a state, of an earlier version too, under the names of this one."""
    return under_present_names(state, _RENAMED)


def _inputs(outs: Props) -> Props:
    return {name: value for name, value in outs.items() if name not in _COMPUTED}


def _known(id_: str, props: Props) -> rules.UserRef:
    created_at = props.get("created_at")
    return rules.UserRef(id_, str(props.get("username")), datetime.fromisoformat(created_at) if created_at else None)


def _warn_recreated(recreated: list[str]) -> None:
    if recreated:
        pulumi.log.warn(
            f"keys were recreated, which Headscale 0.28 deleted with the user: {', '.join(recreated)}; "
            "`pulumi refresh` takes them into the state"
        )
