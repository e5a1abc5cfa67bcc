"""Users, policy and keys of an instance as resources: their inputs, and the order in which they change."""

from __future__ import annotations

import pulumi
from pulumi import ResourceOptions

from dynamic_providers.api_key import ApiKey
from dynamic_providers.connection import HeadscaleConnection
from dynamic_providers.policy import Policy
from dynamic_providers.pre_auth_key import TAGS_NOTE, PreAuthKey
from dynamic_providers.rollout import Rollout
from dynamic_providers.user import User
from headscale_component.registration import USERS_AT_ONCE, ConcurrencyLimit
from headscale_component.spec import ApiKeySpec, HeadscaleArgs, PreAuthKeySpec, UserSpec, resource_names
from headscale_component.spec.policy import policy_text


class AdminResources:
    """What lives inside one Headscale. Specifications are validated before they come here.

    Attributes:
        users: The users that were declared, by name.
        policy: The policy, once it is declared; None where Headscale reads it from a file.

    Args:
        name: The component's name in Pulumi.
        args: The instance.
        parent: The component.
        connection: The instance's connection.
        rollout: What has to be there first: a Headscale that serves.
    """

    def __init__(
        self,
        name: str,
        args: HeadscaleArgs,
        parent: pulumi.Resource,
        connection: HeadscaleConnection,
        rollout: Rollout,
    ) -> None:
        self._name, self._args, self._parent = name, args, parent
        self._connection, self._rollout = connection, rollout
        self._limit = ConcurrencyLimit(USERS_AT_ONCE)
        self.users: dict[str, User] = {}
        self.policy: Policy | None = None

    def add_user(self, username: str, profile: UserSpec) -> User:
        """Declare a user."""
        adopt = self._args.adopt_users if profile.adopt is None else profile.adopt
        old_name = profile.renamed_from
        before = [pulumi.Alias(name=resource_names.user(self._name, old_name))] if old_name else None
        user = User(
            resource_names.user(self._name, username),
            username=username,
            display_name=profile.display_name,
            email=profile.email,
            picture_url=profile.picture_url,
            adopt=str(adopt).lower() if adopt else None,
            force_delete=profile.force_delete,
            # Destroying the instance leaves users in the retained database; Headscale would refuse to delete
            # those with nodes, and 0.28 would delete everybody's keys with the first of them. Where another database
            # answers, the rollout is replaced, and the engine replaces with it what is deleted with it.
            opts=ResourceOptions.merge(
                self._options(self._rollout, deleted_with=self._rollout),
                ResourceOptions(aliases=before, retain_on_delete=profile.retain or None, depends_on=self._limit.slot()),
            ),
        )
        self._limit.add(user)
        self.users[username] = user
        return user

    def declare_policy(self) -> Policy | None:
        """Declare the policy, and also that there is none: its removal is then a change that the preview shows."""
        spec = self._args.policy
        if self._args.config.policy.mode != "database":
            return None
        text = policy_text(spec) if spec else None
        self.policy = Policy(
            f"{self._name}-policy",
            policy=text,
            overwrite=bool(spec and spec.overwrite),
            server_check=bool(spec and spec.server_check),
            database=self._rollout.id,
            # A policy names users, which are there first.
            opts=self._options(*(self.users.values() if text else ())),
        )
        return self.policy

    def add_pre_auth_key(self, name: str, key: PreAuthKeySpec) -> PreAuthKey:
        """Declare a preauth key; its user was declared before."""
        return PreAuthKey(
            resource_names.pre_auth_key(self._name, name),
            namespace=key.secret_namespace or self._args.namespace,
            secret_name=key.secret_name or name,
            # A key with a user goes where that goes.
            database=None if key.user else self._rollout.id,
            # Its id in Pulumi is the same, and stays known in the preview where the user is only updated.
            user_id=self.users[key.user].id if key.user else key.user_id,
            expiration=key.expiration,
            reusable=key.reusable,
            ephemeral=key.ephemeral,
            tags=key.tags,
            renew_before=key.renew_before,
            recreate_if_invalid=key.recreate_if_invalid,
            secret_key=key.secret_key,
            secret_labels=key.secret_labels,
            secret_annotations=key.secret_annotations,
            silence_tags_note=TAGS_NOTE in self._args.silence,
            # No node may join before the policy is stored; an id may be that of a user who is created in this run.
            opts=self._options(self.policy or self._rollout, *(self.users.values() if key.user_id else ())),
        )

    def add_api_key(self, name: str, key: ApiKeySpec) -> ApiKey:
        """Declare an API key."""
        return ApiKey(
            resource_names.api_key(self._name, name),
            namespace=key.secret_namespace or self._args.namespace,
            database=self._rollout.id,
            secret_name=key.secret_name or name,
            expiration=key.expiration,
            rotation_buffer=key.rotation_buffer,
            overlap=key.overlap,
            secret_key=key.secret_key,
            secret_labels=key.secret_labels,
            secret_annotations=key.secret_annotations,
            opts=self._options(),
        )

    def _options(self, *first: pulumi.Resource, deleted_with: pulumi.Resource | None = None) -> ResourceOptions:
        return ResourceOptions(
            parent=self._parent, provider=self._connection, depends_on=[*first], deleted_with=deleted_with
        )
