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
from headscale_component.admin_resources import AdminResources
from headscale_component.cluster_objects import declare_objects
from headscale_component.connect import connection_args
from headscale_component.manifests import names
from headscale_component.manifests.objects import METRICS_SERVICE, objects
from headscale_component.spec import ApiKeySpec, HeadscaleArgs, PreAuthKeySpec, UserSpec
from headscale_component.spec.additions import check_api_key, check_new, check_pre_auth_key, check_user
from headscale_component.spec.errors import Problem, SpecError
from headscale_component.spec.escapes import escaped
from headscale_component.spec.instance_name import LONGEST_POSSIBLE, name_problems
from headscale_component.spec.notes import notes_on
from headscale_component.spec.policy import policy_text
from headscale_component.spec.upgrade_notes import upgrade_notes
from headscale_core import Node
from headscale_core import User as HeadscaleUser


class Headscale(pulumi.ComponentResource):
    """One Headscale: its StatefulSet with the sidecar, ConfigMap, Services and rights, its users and its keys.

    Child resources are named `<instance>-…`, objects in the cluster as docs/concepts.md lists them.
    """

    args: HeadscaleArgs
    """The validated specification."""

    namespace: str
    """The namespace of everything."""

    server_url: pulumi.Output[str]
    """The address that clients use."""

    service_name: str
    """The Service for clients, with the ports `http` and `grpc`."""

    metrics_service_name: str | None
    """The Service from which metrics are scraped; None where nothing outside of the pod reaches any."""

    api_key_secret_name: str | None
    """The Secret with the API key that the sidecar rotates; None where the sidecar is switched off."""

    users: pulumi.Output[dict[str, str]]
    """Headscale's ids of the declared users, by name."""

    pre_auth_keys: dict[str, str]
    """The Secrets of the declared preauth keys, by the keys' names."""

    policy: Policy | None
    """The policy as a resource; None where Headscale reads it from a file, with `policy.mode: file`."""

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
            name: The instance's name, which its objects in the cluster have.
            args: The instance; a mapping is checked as the stack YAML is.
            opts: Options; `provider` may be a Kubernetes provider, none is created here.
            instance: The instance's name in the cluster, where `name` has to be another: Pulumi takes each name once,
                and instances in other namespaces or clusters may have one name.

        Raises:
            SpecError: With every problem at once, before anything is declared.
        """
        spec = HeadscaleArgs.model_validate(args)
        found = [*name_problems(instance or name, spec, longest=LONGEST_POSSIBLE)]
        if found:
            raise SpecError(Problem(("instance" if instance else "name",), text) for text in found)
        super().__init__("headscale:index:Headscale", name, {}, opts)
        self._name, self.args = name, spec
        self._instance = instance or name
        self._added_users: dict[str, UserSpec] = {}
        self._added_pre_auth_keys: dict[str, PreAuthKeySpec] = {}
        self._added_api_keys: dict[str, ApiKeySpec] = {}

        self.namespace = spec.namespace
        self.server_url = pulumi.Output.from_input(spec.config.server_url)
        self.service_name = self._instance
        self.api_key_secret_name = spec.api_key.secret_name if spec.api_key.auto_manage else None

        for note in notes_on(spec, self._instance):
            pulumi.warn(escaped(f"{name}: {note}"), self)
        self.connection = self._connect()
        declared = objects(name, self._instance, spec)
        has_metrics = any(item.key == METRICS_SERVICE for item in declared)
        self.metrics_service_name = names.metrics_service(self._instance) if has_metrics else None
        workload, template = declare_objects(declared, self, self._check_before())
        self._rollout = self._declare_rollout(workload, template)
        self._admin = AdminResources(name, spec, self, self.connection, self._rollout)
        for username, user in spec.users.items():
            self._admin.add_user(username, user)
        self.policy = self._admin.declare_policy()
        keys = {key: self._admin.add_pre_auth_key(key, value) for key, value in spec.pre_auth_keys.items()}
        self.pre_auth_keys = {key: value.secret_name or key for key, value in spec.pre_auth_keys.items()}
        for key, api_key in spec.api_keys.items():
            self._admin.add_api_key(key, api_key)
        self.users = pulumi.Output.all(**{username: user.user_id for username, user in self._admin.users.items()})

        self.register_outputs(
            {
                "namespace": self.namespace,
                "server_url": self.server_url,
                "service_name": self.service_name,
                "metrics_service_name": self.metrics_service_name,
                "api_key_secret_name": self.api_key_secret_name,
                "users": self.users,
                # Known when all of the keys exist. The SDK waits for this one call; without a call that lasts it looks
                # through all Outputs of the program again whenever one is known, half of its time with 200 keys.
                "pre_auth_keys": pulumi.Output.all(**{key: value.secret_name for key, value in keys.items()}),
                # No connection: an output that is a resource holds its URN, and `pulumi state move` renames the stack
                # in URNs of parents, providers and dependencies, not in outputs
                # (https://github.com/pulumi/pulumi/blob/master/pkg/cmd/pulumi/state/state_move.go, `rewriteURNs`).
            }
        )

    def user(self, username: str, spec: UserSpec | Mapping[str, Any] | None = None) -> User:
        """Add a user.

        Args:
            username: Its name in Headscale, by the rule of `users` in the stack YAML.
            spec: Its profile.

        Raises:
            SpecError: With every problem, by the rules of the stack YAML.
        """
        check_new("users", username, self.args.users, self._added_users)
        profile = self._added_users[username] = check_user(self.args, username, spec, self._added_users)
        return self._admin.add_user(username, profile)

    def pre_auth_key(self, name: str, spec: PreAuthKeySpec | Mapping[str, Any]) -> PreAuthKey:
        """Add a preauth key, and the Secret that holds it under `key`.

        Args:
            name: The key's name, and its Secret's unless `secretName` says otherwise.
            spec: The key; its `user` was added before.

        Raises:
            SpecError: With every problem, by the rules of the stack YAML.
        """
        keys, api_keys = self._added_pre_auth_keys, self._added_api_keys
        check_new("preAuthKeys", name, self.args.pre_auth_keys, keys)
        key = keys[name] = check_pre_auth_key(
            self.args, name, spec, self._added_users, known_pre_auth_keys=keys, known_api_keys=api_keys
        )
        return self._admin.add_pre_auth_key(name, key)

    def api_key(self, name: str, spec: ApiKeySpec | Mapping[str, Any] | None = None) -> ApiKey:
        """Add an API key for another program, and the Secret that holds it under `api-key`.

        Args:
            name: The key's name, and its Secret's unless `secretName` says otherwise.
            spec: Its lifetime and when it is replaced.

        Raises:
            SpecError: With every problem, by the rules of the stack YAML.
        """
        keys, api_keys = self._added_pre_auth_keys, self._added_api_keys
        check_new("apiKeys", name, self.args.api_keys, api_keys)
        key = api_keys[name] = check_api_key(self.args, name, spec, known_pre_auth_keys=keys, known_api_keys=api_keys)
        return self._admin.add_api_key(name, key)

    def get_user(self, name: str) -> pulumi.Output[HeadscaleUser]:
        """Return a user of the running Headscale, declared or not, once the declared ones are there; see `get_user`."""
        return lookup.get_user(self.connection, name, after=[self._rollout, *self._admin.users.values()])

    def list_nodes(self, *, user: str | None = None) -> pulumi.Output[list[Node]]:
        """Return the nodes of the tailnet, or those of a user; see `list_nodes`."""
        return lookup.list_nodes(self.connection, user=user, after=[self._rollout])

    def get_policy(self) -> pulumi.Output[str]:
        """Return the policy in force as HuJSON, once the declared one is; see `get_policy`."""
        return lookup.get_policy(self.connection, after=[self.policy or self._rollout])

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
            overwrite_policy=bool(spec.policy and in_database and spec.policy.overwrite),
            retain=spec.retain,
            abandon_data=spec.abandon_data,
            size=spec.persistent_volume_claim.size,
            storage_class=spec.persistent_volume_claim.storage_class_name,
            upgrade_notes=[(one.since, str(one.note)) for one in upgrade_notes(spec)],
            opts=ResourceOptions(parent=self, provider=self.connection),
        )

    def _declare_rollout(self, workload: pulumi.Resource, template: pulumi.Output[str]) -> Rollout:
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
