"""A Headscale on Kubernetes, with its users and keys, as one Pulumi component."""

from collections.abc import Mapping
from typing import Any

import pulumi
from pulumi import ResourceOptions

from dynamic_providers import lookup
from dynamic_providers.api_key import ApiKey
from dynamic_providers.connection import HeadscaleConnection
from dynamic_providers.policy import Policy
from dynamic_providers.pre_auth_key import PreAuthKey
from dynamic_providers.preflight import Preflight
from dynamic_providers.rollout import Rollout
from dynamic_providers.user import User
from headscale_component.cluster_objects import declare_objects
from headscale_component.connect import connection_args
from headscale_component.manifests import names
from headscale_component.manifests.objects import objects
from headscale_component.registration import USERS_AT_ONCE, ConcurrencyLimit
from headscale_component.spec import ApiKeySpec, HeadscaleArgs, PreAuthKeySpec, SpecError, UserSpec, resource_names
from headscale_component.spec.errors import Problem
from headscale_component.spec.policy import policy_document, policy_text
from headscale_component.spec.policy_warnings import policy_warnings
from headscale_component.versions import NEWEST_HEADSCALE, is_newer_than_known
from headscale_core import Node
from headscale_core import User as HeadscaleUser


class Headscale(pulumi.ComponentResource):
    """One Headscale: its StatefulSet with the sidecar, ConfigMap, Services and rights, its users and its keys.

    Child resources are named `<instance>-…`, objects in the cluster as the README lists them.
    """

    args: HeadscaleArgs
    """The validated specification."""

    namespace: str
    """The namespace of everything."""

    server_url: pulumi.Output[str]
    """The address that clients use."""

    service_name: str
    """The Service for clients, with the ports `http` and `grpc`."""

    metrics_service_name: str
    """The Service for whoever collects metrics."""

    api_key_secret_name: str | None
    """The Secret with the API key that the sidecar rotates; None where the sidecar is switched off."""

    users: pulumi.Output[dict[str, str]]
    """Headscale's ids of the declared users, by name."""

    pre_auth_keys: dict[str, str]
    """The Secrets of the declared preauth keys, by the keys' names."""

    connection: HeadscaleConnection
    """The admin channel; give it as `provider` to resources that a program declares by itself, which depend on this
    component, for the channel is there before the instance runs."""

    def __init__(
        self,
        name: str,
        args: HeadscaleArgs | Mapping[str, Any],
        opts: ResourceOptions | None = None,
        *,
        instance: str | None = None,
    ) -> None:
        """Declare an instance.

        Args:
            name: The instance's name, which its objects in the cluster bear.
            args: The instance; a mapping is checked as the stack YAML is.
            opts: Options; `provider` may be a Kubernetes provider, none is made here.
            instance: The instance's name in the cluster, where `name` has to be another: Pulumi takes each name once,
                and instances in other namespaces or clusters may have one name.

        Raises:
            SpecError: With every problem at once, before anything is declared.
        """
        spec = HeadscaleArgs.model_validate(args)
        super().__init__("headscale:index:Headscale", name, {}, opts)
        self._name, self.args = name, spec
        self._instance = instance or name
        self._users: dict[str, User] = {}
        self._limit = ConcurrencyLimit(USERS_AT_ONCE)

        self.namespace = spec.namespace
        self.server_url = pulumi.Output.from_input(spec.config.server_url)
        self.service_name = self._instance
        self.metrics_service_name = names.metrics_service(self._instance)
        self.api_key_secret_name = spec.api_key.secret_name if spec.api_key.auto_manage else None

        if is_newer_than_known(spec.version):
            newest = ".".join(map(str, NEWEST_HEADSCALE))
            pulumi.warn(
                f"{name}: Headscale {spec.version} is newer than what is known here; it is configured as {newest} is",
                self,
            )
        self.connection = self._connect()
        workload, template = declare_objects(objects(name, self._instance, spec), self, self._check_before())
        self._rollout = self._follow(workload, template)
        for username, user in spec.users.items():
            self.user(username, user)
        self.policy = self._declare_policy()
        keys = {key: self.pre_auth_key(key, value) for key, value in spec.pre_auth_keys.items()}
        self.pre_auth_keys = {key: value.secret_name or key for key, value in spec.pre_auth_keys.items()}
        for key, api_key in spec.api_keys.items():
            self.api_key(key, api_key)
        self.users = pulumi.Output.all(**{username: user.user_id for username, user in self._users.items()})

        self.register_outputs(
            {
                "namespace": self.namespace,
                "server_url": self.server_url,
                "service_name": self.service_name,
                "metrics_service_name": self.metrics_service_name,
                "api_key_secret_name": self.api_key_secret_name,
                "users": self.users,
                # Told when all of them exist. The SDK waits for this one call; without a call that lasts it looks
                # through all Outputs of the program again whenever one is known, half of its time with 200 keys.
                "pre_auth_keys": pulumi.Output.all(**{key: value.secret_name for key, value in keys.items()}),
            }
        )

    def user(self, username: str, spec: UserSpec | Mapping[str, Any] | None = None) -> User:
        """Add a user.

        Args:
            username: Its name in Headscale, a DNS label.
            spec: Its profile.
        """
        profile = UserSpec.model_validate(spec or {})
        adopt = self.args.adopt_users if profile.adopt is None else profile.adopt
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
                self._admin_options(self._rollout, deleted_with=self._rollout),
                ResourceOptions(aliases=before, retain_on_delete=profile.retain or None, depends_on=self._limit.slot()),
            ),
        )
        self._limit.add(user)
        self._users[username] = user
        return user

    def pre_auth_key(self, name: str, spec: PreAuthKeySpec | Mapping[str, Any]) -> PreAuthKey:
        """Add a preauth key, and the Secret that holds it under `key`.

        Args:
            name: The key's name, and its Secret's unless `secretName` says otherwise.
            spec: The key; its `user` is one that was added before.

        Raises:
            SpecError: When `user` was not added before.
        """
        key = PreAuthKeySpec.model_validate(spec)
        if key.user and key.user not in self._users:
            known = ", ".join(sorted(self._users)) or "none"
            text = f"`{key.user}` is no user of instance `{self._name}` ({known}); add it before by `user()`"
            raise SpecError([Problem(("preAuthKeys", name, "user"), text)])
        return PreAuthKey(
            resource_names.pre_auth_key(self._name, name),
            namespace=key.secret_namespace or self.args.namespace,
            secret_name=key.secret_name or name,
            # A key with a user goes where that goes.
            database=None if key.user else self._rollout.id,
            # Its id in Pulumi is the same, and stays known in the preview where the user is only updated.
            user_id=self._users[key.user].id if key.user else key.user_id,
            expiration=key.expiration,
            reusable=key.reusable,
            ephemeral=key.ephemeral,
            tags=key.tags,
            renew_before=key.renew_before,
            recreate_if_invalid=key.recreate_if_invalid,
            secret_key=key.secret_key,
            secret_labels=key.secret_labels,
            secret_annotations=key.secret_annotations,
            # Before the policy is in force no node may join; an id may be that of a user who is only made now.
            opts=self._admin_options(self.policy or self._rollout, *(self._users.values() if key.user_id else ())),
        )

    def api_key(self, name: str, spec: ApiKeySpec | Mapping[str, Any] | None = None) -> ApiKey:
        """Add an API key for another program, and the Secret that holds it under `api-key`.

        Args:
            name: The key's name, and its Secret's unless `secretName` says otherwise.
            spec: Its lifetime and when it is replaced.
        """
        key = ApiKeySpec.model_validate(spec or {})
        return ApiKey(
            resource_names.api_key(self._name, name),
            namespace=key.secret_namespace or self.args.namespace,
            database=self._rollout.id,
            secret_name=key.secret_name or name,
            expiration=key.expiration,
            rotation_buffer=key.rotation_buffer,
            overlap=key.overlap,
            secret_key=key.secret_key,
            secret_labels=key.secret_labels,
            secret_annotations=key.secret_annotations,
            opts=self._admin_options(),
        )

    def get_user(self, name: str) -> pulumi.Output[HeadscaleUser]:
        """Return a user of the running Headscale, declared or not, once the declared ones are there; see `get_user`."""
        return lookup.get_user(self.connection, name, after=[self._rollout, *self._users.values()])

    def list_nodes(self, *, user: str | None = None) -> pulumi.Output[list[Node]]:
        """Return the nodes of the tailnet, or those of a user; see `list_nodes`."""
        return lookup.list_nodes(self.connection, user=user, after=[self._rollout])

    def get_policy(self) -> pulumi.Output[str]:
        """Return the policy in force as HuJSON, once the declared one is; see `get_policy`."""
        return lookup.get_policy(self.connection, after=[self.policy or self._rollout])

    def _declare_policy(self) -> Policy | None:
        """Declare the policy, and also that there is none: its removal is then a change that the preview shows."""
        spec = self.args.policy
        if self.args.config.policy.mode != "database":
            return None
        text = policy_text(spec) if spec else None
        for warning in policy_warnings(policy_document(spec), self.args) if spec else ():
            pulumi.warn(f"{self._name}: {warning}", self)
        return Policy(
            f"{self._name}-policy",
            policy=text,
            overwrite=bool(spec and spec.overwrite),
            database=self._rollout.id,
            # A policy names users, which are there first.
            opts=self._admin_options(*(self._users.values() if text else ())),
        )

    def _check_before(self) -> Preflight:
        """Declare what goes before every change."""
        spec = self.args
        in_database = spec.policy is not None and spec.config.policy.mode == "database"
        return Preflight(
            f"{self._name}-preflight",
            instance=self._instance,
            namespace=spec.namespace,
            version=spec.version,
            policy=policy_text(spec.policy) if spec.policy and in_database else None,
            retain=spec.retain,
            abandon_data=spec.abandon_data,
            size=spec.persistent_volume_claim.size,
            storage_class=spec.persistent_volume_claim.storage_class_name,
            opts=ResourceOptions(parent=self, provider=self.connection),
        )

    def _follow(self, workload: pulumi.Resource, template: pulumi.Output[str]) -> Rollout:
        """Declare the rollout, for which everything waits that needs a running Headscale."""
        spec = self.args
        return Rollout(
            f"{self._name}-rollout",
            instance=self._instance,
            namespace=spec.namespace,
            template=template,
            version=spec.version,
            replicas=spec.replicas,
            size=spec.persistent_volume_claim.size,
            storage_class=spec.persistent_volume_claim.storage_class_name,
            ready_timeout=spec.ready_timeout,
            retain=spec.retain,
            abandon_data=spec.abandon_data,
            opts=ResourceOptions(
                parent=self,
                provider=self.connection,
                # Not deleted with it: the engine would replace it with the StatefulSet, and ask nobody.
                depends_on=[workload],
            ),
        )

    def _connect(self) -> HeadscaleConnection:
        # The Kubernetes provider that the component was given, if any: keys go where the objects go.
        given = self.get_provider("kubernetes:core/v1:Secret")
        return HeadscaleConnection(
            f"{self._name}-connection",
            connection_args(self._instance, self.args, self.server_url, given),
            # A provider that is a child of the component, or depends on one, keeps `pulumi state move` from moving it.
            opts=ResourceOptions(aliases=[pulumi.Alias(parent=self)]),
        )

    def _admin_options(self, *first: pulumi.Resource, deleted_with: pulumi.Resource | None = None) -> ResourceOptions:
        return ResourceOptions(parent=self, provider=self.connection, depends_on=[*first], deleted_with=deleted_with)
