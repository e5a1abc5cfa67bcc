"""A preauth key, with the Secret that holds it, as a Pulumi resource."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar

import pulumi
from pulumi.dynamic import CheckFailure, CheckResult, CreateResult, DiffResult, ReadResult, UpdateResult
from pulumi.output import Unknown

from dynamic_providers import key_secret
from dynamic_providers.admin.channel import InstanceNotFound, InstanceStopped, retry_idempotent, utc_now
from dynamic_providers.key_secret import PLACE, SECRET_FIELDS, changed_key_fields, secret_template_of
from dynamic_providers.provider import HeadscaleProvider, Props, another_database, checked, keep_outputs
from dynamic_providers.resource import HeadscaleResource
from headscale_core.keys import pre_auth_key as rules
from headscale_core.keys import renewal, revocation
from headscale_core.keys.secrets import SecretStore, read_if_owned
from headscale_core.values import validators

_IMMUTABLE = (*PLACE, "user_id", "expiration", "reusable", "ephemeral", "tags")
_POLICY = ("renew_before", "recreate_if_invalid")
_COMPUTED = ("key", "expires_at")
_KIND = "preauth-key"


class PreAuthKeyProvider(HeadscaleProvider):
    """Adapter of the preauth key's rules. Its dotted path is in people's state: moving it needs an alias here."""

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
        """Replace on any change, and when it is time: a key cannot be altered.

        The new one is in its Secret before the old one goes. Only the clock is asked, and what a refresh has found.
        """
        self.known.add(id_)
        replaces = [*changed_key_fields(_IMMUTABLE, olds, news), *another_database(olds, news)]
        if "tags" in replaces and not isinstance(news.get("tags"), Unknown):
            pulumi.log.warn(renewal.tags_warning(olds["secret_name"], olds.get("tags"), news.get("tags")))
        if not replaces and _is_to_be_replaced(olds, news):
            replaces = ["expires_at"]
        altered = changed_key_fields((*SECRET_FIELDS, *_POLICY, "database"), olds, news) or olds.get("secret_is_wrong")
        return DiffResult(changes=bool(replaces or altered), replaces=replaces)

    def create(self, props: Props) -> CreateResult:
        """Make key and Secret together, and clean up after an interrupted run."""

        def create() -> rules.IssuedPreAuthKey:
            with self.channel.change() as client:
                return rules.create(client, self._secrets, _desired(props), utc_now(), in_state=sorted(self.known))

        issued = retry_idempotent(create)
        return CreateResult(issued.key_id, _outputs(props, issued))

    def read(self, id_: str, props: Props) -> ReadResult:
        """Return how the key is: why it is no good any more, and whether its Secret is right.

        It is never gone for Pulumi: what has to be recreated is replaced, so that what is left of it is cleaned up.
        """
        inputs = {name: props.get(name) for name in ("owner", "database", *_IMMUTABLE, *SECRET_FIELDS, *_POLICY)}
        try:
            keys = self.channel.pre_auth_keys()
        except InstanceNotFound:
            if self.channel.stored(_KIND, props["namespace"], props["secret_name"]) is None:
                self.channel.require_proof_of_deletion(f"preauth key {id_}")
            return ReadResult(id_, props, inputs)
        except InstanceStopped as error:
            self.channel.running.report_unseen(error)
            return ReadResult(id_, props, inputs)
        desired = _desired(props)
        stored = self.channel.stored(_KIND, desired.namespace, desired.secret_name)
        seen = rules.observe(keys, stored, desired, _issued(id_, props), utc_now())
        outs = _outputs(inputs, seen.issued)
        if seen.ended:
            outs["ended"] = seen.ended
        elif not seen.secret_in_sync:
            outs["secret_is_wrong"] = True
        return ReadResult(seen.issued.key_id, outs, inputs)

    def update(self, id_: str, olds: Props, news: Props) -> UpdateResult:
        """Write the Secret as it is to be; nothing of the key itself can be changed."""
        outs = keep_outputs(news, olds, (*_COMPUTED, "ended"))
        if changed_key_fields(SECRET_FIELDS, olds, news) or olds.get("secret_is_wrong"):
            with self.channel.lock.together():
                outs |= _computed(rules.restore(self._secrets, _desired(news), _issued(id_, olds)))
                self.channel.list_cache.forget()
        return UpdateResult(outs)

    def delete(self, id_: str, props: Props) -> None:
        """Delete the key and, unless another key is in it by now, its Secret; noted first where Headscale is away."""
        state, place = _issued(id_, props), (props["namespace"], props["secret_name"])

        def delete() -> None:
            # The lists stay at hand: the keys of a thousand deletions are asked for once in a while.
            with self.channel.change(patient=False, keeps_lists=True) as client:
                rules.delete(client, self._secrets, state, self.channel.pre_auth_keys(), place)

        try:
            retry_idempotent(delete)
        except (InstanceNotFound, InstanceStopped) as error:
            what, stored = f"preauth key {id_}", read_if_owned(self._secrets, *place)
            value = stored is not None and rules.holds(stored, state)
            if isinstance(error, InstanceNotFound) and not value:
                self.channel.require_proof_of_deletion(what)
            self.channel.revocations.note(what, revocation.of_pre_auth_key(stored, state), error)
            rules.delete_secret(self._secrets, state, place)

    @property
    def _secrets(self) -> SecretStore:
        return self.channel.secrets(_KIND)


class PreAuthKey(HeadscaleResource, module="headscale", name="PreAuthKey"):
    """A key with which nodes join, and the Secret that holds it.

    Attributes:
        owner: Its name in Pulumi, by which a Secret is known to be its own.
        database: What tells the database that it is in from another, in which it is recreated; None for no such thing.
        namespace: Namespace of the Secret.
        secret_name: Name of the Secret.
        user_id: The owner's id; None for a key with tags alone.
        expiration: How long it can be used to join.
        reusable: Whether more than one node may join with it; this and the two below are None where they are off.
        ephemeral: Whether its nodes are removed when they are away.
        tags: Tags for its nodes.
        renew_before: A key with less than this left is replaced by the next update; None for not.
        recreate_if_invalid: What is done about a key that came to its natural end: `never`, `whenExpired`, `always`.
        secret_key: Under which name the key stands in the Secret; None for `key`.
        secret_labels: More labels of the Secret.
        secret_annotations: More annotations of the Secret.
        key: The key, a Pulumi secret.
        expires_at: When it ends, RFC 3339.
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
        expiration: pulumi.Input[str] = "1h",
        reusable: pulumi.Input[bool] = False,
        ephemeral: pulumi.Input[bool] = False,
        tags: Sequence[str] = (),
        renew_before: str | None = None,
        recreate_if_invalid: str | None = None,
        secret_key: str = rules.DATA_KEY,
        secret_labels: Mapping[str, str] | None = None,
        secret_annotations: Mapping[str, str] | None = None,
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
            **key_secret.looks(secret_key, secret_labels, secret_annotations, usual_key=rules.DATA_KEY),
        }
        secret = pulumi.ResourceOptions(additional_secret_outputs=["key"])
        super().__init__(PreAuthKeyProvider(), resource_name, props, pulumi.ResourceOptions.merge(opts, secret))


def _is_to_be_replaced(olds: Props, news: Props) -> bool:
    renew_before = news.get("renew_before")
    return renewal.is_renewal_due(
        olds.get("ended"),
        datetime.fromisoformat(olds["expires_at"]),
        utc_now(),
        policy=news.get("recreate_if_invalid"),
        reusable=bool(news.get("reusable")),
        renew_before=None if isinstance(renew_before, Unknown) else renew_before,
    )


def _issued(id_: str, props: Props) -> rules.IssuedPreAuthKey:
    return rules.IssuedPreAuthKey(id_, str(props.get("key")), datetime.fromisoformat(props["expires_at"]))


def _computed(issued: rules.IssuedPreAuthKey) -> Props:
    return {"key": issued.text, "expires_at": issued.expires_at.isoformat()}


def _outputs(props: Props, issued: rules.IssuedPreAuthKey) -> Props:
    return {**props, **_computed(issued)}


def _desired(props: Props) -> rules.DesiredPreAuthKey:
    return rules.DesiredPreAuthKey(
        namespace=props["namespace"],
        secret_name=props["secret_name"],
        user_id=props.get("user_id"),
        expiration=props["expiration"],
        reusable=bool(props.get("reusable")),
        ephemeral=bool(props.get("ephemeral")),
        tags=tuple(props.get("tags") or ()),
        template=secret_template_of(props, usual_key=rules.DATA_KEY),
        owner=props.get("owner"),
    )
