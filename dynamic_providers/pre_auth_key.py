"""A preauth key, with the Secret that holds it, as a Pulumi resource."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar, TypedDict, cast

import pulumi
from pulumi.dynamic import CheckFailure, CheckResult, CreateResult, DiffResult, ReadResult, UpdateResult
from pulumi.output import Unknown

from dynamic_providers import key_secret
from dynamic_providers.admin.channel import InstanceNotFound, InstanceStopped, retry_idempotent, utc_now
from dynamic_providers.key_provider import KeyProvider
from dynamic_providers.key_secret import PLACE, SECRET_FIELDS, KeyInputs, changed_key_fields, duration_of
from dynamic_providers.provider import Props, another_database, checked, keep_outputs
from dynamic_providers.renamed_outputs import state_if_same, under_present_names
from dynamic_providers.resource import HeadscaleResource
from headscale_core.defaults import PRE_AUTH_KEY_DATA_KEY, PRE_AUTH_KEY_EXPIRATION
from headscale_core.keys import pre_auth_key as rules
from headscale_core.keys import renewal, revocation
from headscale_core.keys.pre_auth_key_secret import DesiredPreAuthKey, IssuedPreAuthKey, belongs_to
from headscale_core.keys.secrets import read_if_owned
from headscale_core.values import validators
from headscale_core.values.durations import parse_duration

_IMMUTABLE = (*PLACE, "user_id", "expiration", "reusable", "ephemeral", "tags")
_MUTABLE = ("renew_before", "recreate_if_invalid", *SECRET_FIELDS)
_INPUTS = ("owner", "database", *_IMMUTABLE, *_MUTABLE)
_COMPUTED = ("key", "expires_at")
TAGS_NOTE = "tags-kept-by-nodes"
"""Name of the note on a change of tags, by which a stack silences it."""
_RENAMED = {"ended": "invalid_reason", "secret_is_wrong": "secret_drift"}
_RENAMED_REASONS = {"ended by hand": renewal.EXPIRED_MANUALLY}


class PreAuthKeyInputs(KeyInputs, total=False):
    """The inputs in the state.

    Attributes:
        user_id: Id of the owner, None for a key with tags alone.
        reusable: Whether more than one node may join with it.
        ephemeral: Whether its nodes are removed when they are offline.
        tags: Tags for its nodes, sorted.
        renew_before: A key with less than this left is replaced, a duration as text.
        recreate_if_invalid: `never`, `whenExpired` or `always`, see `renewal.is_renewal_due`.
    """

    user_id: str | None
    reusable: bool | None
    ephemeral: bool | None
    tags: list[str] | None
    renew_before: str | None
    recreate_if_invalid: str | None


class PreAuthKeyOutputs(TypedDict, total=False):
    """What the provider adds to the state.

    Attributes:
        key: The key, a Pulumi secret.
        expires_at: When it expires, RFC 3339 with microseconds.
        invalid_reason: Why a refresh found it invalid, one of the reasons in `renewal`; absent where it is valid.
            Earlier versions wrote it as `ended`.
        secret_drift: True where a refresh found drift of the Secret; the next update writes it again.
            Earlier versions wrote it as `secret_is_wrong`.
    """

    key: str
    expires_at: str
    invalid_reason: str
    secret_drift: bool


class PreAuthKeyProvider(KeyProvider):
    """Adapter of the preauth key's rules. Its dotted path is in people's state: moving it needs an alias here."""

    kind = "preauth-key"
    title = "preauth key"

    def check(self, _olds: Props, news: Props) -> CheckResult:
        """Check what is known, without any call."""
        result = checked(
            news,
            {
                **key_secret.RULES,
                "user_id": validators.user_id,
                "expiration": validators.positive_duration,
                "renew_before": validators.positive_duration,
                "tags": validators.tags,
            },
        )
        if news.get("user_id") is None and not news.get("tags"):
            result.failures.append(CheckFailure("user_id", "belongs to nobody: give `user_id` or `tags`"))
        return result

    def diff(self, id_: str, olds: Props, news: Props) -> DiffResult:
        """Replace on any change, and when the time has come: a key cannot be altered.

        The new one is in its Secret before the old one is deleted. Only the clock is asked, and what a refresh found.
        """
        self.known.add(id_)
        olds = _current(olds)
        replaces = [*changed_key_fields(_IMMUTABLE, olds, news), *another_database(olds, news)]
        if "tags" in replaces and not isinstance(news.get("tags"), Unknown) and not news.get("silence_tags_note"):
            warning = renewal.tags_warning(olds["secret_name"], olds.get("tags"), news.get("tags"))
            pulumi.log.warn(f"{warning} [{TAGS_NOTE}]")
        if not replaces and _is_due(olds, news):
            replaces = ["expires_at"]
        altered = changed_key_fields((*_MUTABLE, "database"), olds, news) or olds.get("secret_drift")
        return DiffResult(changes=bool(replaces or altered), replaces=replaces)

    def create(self, props: Props) -> CreateResult:
        """Create key and Secret together, once the policy is stored, and clean up after an interrupted run."""
        title = f"the preauth key for Secret {props['namespace']}/{props['secret_name']}"

        def create() -> IssuedPreAuthKey:
            with self.channel.change() as client:
                self.channel.journal.policy.require(client, title)
                return rules.create(client, self.secrets, _desired(props), utc_now(), in_state=sorted(self.known))

        issued = retry_idempotent(create)
        return CreateResult(issued.key_id, _outputs(props, issued))

    def read(self, id_: str, props: Props) -> ReadResult:
        """Return why the key is invalid, if it is, and whether its Secret is in sync.

        It is never gone for Pulumi: what has to be recreated is replaced, so that what is left of it is cleaned up.
        """
        inputs = {name: props.get(name) for name in _INPUTS}
        keys = self.list_if_reachable(id_, props, self.channel.lists.pre_auth_keys)
        if keys is None:
            return ReadResult(id_, props, inputs)
        desired = _desired(props)
        stored = self.channel.lists.stored(self.kind, desired.namespace, desired.secret_name)
        status = rules.observe(keys, stored, desired, _issued(id_, props), utc_now())
        outs = _outputs(inputs, status.issued)
        if status.invalid_reason:
            outs["invalid_reason"] = status.invalid_reason
        elif not status.secret_in_sync:
            outs["secret_drift"] = True
        return ReadResult(status.issued.key_id, state_if_same(outs, props, _current(props)), inputs)

    def update(self, id_: str, olds: Props, news: Props) -> UpdateResult:
        """Write the Secret by its new template; nothing of the key itself can be changed."""
        olds = _current(olds)
        outs = keep_outputs(news, olds, (*_COMPUTED, "invalid_reason"))
        if changed_key_fields(SECRET_FIELDS, olds, news) or olds.get("secret_drift"):
            with self.channel.lock.shared():
                outs |= _computed(rules.restore(self.secrets, _desired(news), _issued(id_, olds)))
                self.channel.lists.invalidate()
        return UpdateResult(outs)

    def delete(self, id_: str, props: Props) -> None:
        """Delete the key and, unless another key is in it by now, its Secret; recorded where Headscale does not run."""
        state, place = _issued(id_, props), (props["namespace"], props["secret_name"])

        def delete() -> None:
            # The list stays in the cache, so that a thousand deletions list the keys once in a while.
            with self.channel.change(wait_for_pod=False, invalidate_lists=False) as client:
                rules.delete(client, self.secrets, state, self.channel.lists.pre_auth_keys(), place)

        try:
            retry_idempotent(delete)
        except (InstanceNotFound, InstanceStopped) as cause:
            stored = read_if_owned(self.secrets, *place)
            is_stored = stored is not None and belongs_to(stored, state)
            self.revoke_later(id_, revocation.of_pre_auth_key(stored, state), cause, is_stored=is_stored)
            rules.delete_secret(self.secrets, state, place)


class PreAuthKey(HeadscaleResource, module="headscale", name="PreAuthKey"):
    """A key with which nodes join, and the Secret that holds it.

    Attributes:
        owner: Its name in Pulumi, which is in the Secret too, as its owner.
        database: Identifies its database; in another one it is recreated; None for no such thing.
        namespace: Namespace of the Secret.
        secret_name: Name of the Secret.
        user_id: The owner's id; None for a key with tags alone.
        expiration: How long it can be used to join.
        reusable: Whether more than one node may join with it; this and the two below are None where they are off.
        ephemeral: Whether its nodes are removed when they are offline.
        tags: Tags for its nodes.
        renew_before: A key with less than this left is replaced by the next update; None for not.
        recreate_if_invalid: What is done about a key that expired or was used: `never`, `whenExpired`, `always`.
        secret_key: The name of the key in the Secret's `data`; None for `key`.
        secret_labels: Labels of the Secret besides our own.
        secret_annotations: Annotations of the Secret besides our own.
        key: The key, a Pulumi secret.
        expires_at: When it expires, RFC 3339.
    """

    computed: ClassVar[tuple[str, ...]] = _COMPUTED
    owner: pulumi.Output[str | None]
    namespace: pulumi.Output[str]
    secret_name: pulumi.Output[str]
    user_id: pulumi.Output[str | None]
    expiration: pulumi.Output[str]
    reusable: pulumi.Output[bool | None]
    ephemeral: pulumi.Output[bool | None]
    tags: pulumi.Output[list[str] | None]
    renew_before: pulumi.Output[str | None]
    recreate_if_invalid: pulumi.Output[str | None]
    secret_key: pulumi.Output[str | None]
    secret_labels: pulumi.Output[dict[str, str] | None]
    secret_annotations: pulumi.Output[dict[str, str] | None]
    key: pulumi.Output[str]
    expires_at: pulumi.Output[str]

    def __init__(
        self,
        resource_name: str,
        *,
        namespace: pulumi.Input[str],
        database: pulumi.Input[str] | None = None,
        secret_name: str,
        user_id: pulumi.Input[str] | None = None,
        expiration: pulumi.Input[str] = PRE_AUTH_KEY_EXPIRATION,
        reusable: pulumi.Input[bool] = False,
        ephemeral: pulumi.Input[bool] = False,
        tags: Sequence[str] = (),
        renew_before: str | None = None,
        recreate_if_invalid: str | None = None,
        secret_key: str = PRE_AUTH_KEY_DATA_KEY,
        secret_labels: Mapping[str, str] | None = None,
        secret_annotations: Mapping[str, str] | None = None,
        silence_tags_note: bool = False,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declare a key; `opts.provider` is its `HeadscaleConnection`."""
        props: dict[str, Any] = {
            "owner": resource_name,
            "database": database,
            "namespace": namespace,
            "secret_name": secret_name,
            "user_id": user_id,
            "expiration": expiration,
            # What is off is left out: the backend writes the whole state at every step, so its size is time.
            "reusable": reusable or None,
            "ephemeral": ephemeral or None,
            "tags": sorted(set(tags)) or None,
            "renew_before": renew_before,
            "recreate_if_invalid": recreate_if_invalid,
            "silence_tags_note": silence_tags_note or None,
            **key_secret.secret_inputs(
                secret_key, secret_labels, secret_annotations, default_key=PRE_AUTH_KEY_DATA_KEY
            ),
        }
        secret = pulumi.ResourceOptions(additional_secret_outputs=["key"])
        super().__init__(PreAuthKeyProvider(), resource_name, props, pulumi.ResourceOptions.merge(opts, secret))


def _current(state: Props) -> Props:
    """Return a state, of an earlier version too, in the words of this one."""
    current = under_present_names(state, _RENAMED)
    reason = current.get("invalid_reason")
    return {**current, "invalid_reason": _RENAMED_REASONS.get(reason, reason)} if reason else current


def _desired(props: Props) -> DesiredPreAuthKey:
    inputs = cast("PreAuthKeyInputs", props)
    return DesiredPreAuthKey(
        namespace=inputs["namespace"],
        secret_name=inputs["secret_name"],
        user_id=inputs.get("user_id"),
        expiration=parse_duration(inputs["expiration"]),
        reusable=bool(inputs.get("reusable")),
        ephemeral=bool(inputs.get("ephemeral")),
        tags=tuple(inputs.get("tags") or ()),
        template=key_secret.secret_template_of(inputs, default_key=PRE_AUTH_KEY_DATA_KEY),
        owner=inputs.get("owner"),
    )


def _is_due(olds: Props, news: Props) -> bool:
    """Return whether the key is to be replaced: its time has come, or a refresh found that it is invalid."""
    return renewal.is_renewal_due(
        olds.get("invalid_reason"),
        datetime.fromisoformat(olds["expires_at"]),
        utc_now(),
        policy=news.get("recreate_if_invalid"),
        reusable=bool(news.get("reusable")),
        renew_before=duration_of(news.get("renew_before")),
    )


def _issued(id_: str, props: Props) -> IssuedPreAuthKey:
    return IssuedPreAuthKey(id_, str(props.get("key")), datetime.fromisoformat(props["expires_at"]))


def _computed(issued: IssuedPreAuthKey) -> PreAuthKeyOutputs:
    return PreAuthKeyOutputs(key=issued.text, expires_at=issued.expires_at.isoformat())


def _outputs(props: Props, issued: IssuedPreAuthKey) -> Props:
    return {**props, **_computed(issued)}
