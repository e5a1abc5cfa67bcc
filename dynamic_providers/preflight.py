"""What is checked and done before anything of an instance changes, as a Pulumi resource."""

from typing import Any

import pulumi
from pulumi.dynamic import CreateResult, DiffResult, ReadResult, UpdateResult

from dynamic_providers.admin.channel import Channel
from dynamic_providers.errors import ChannelError, ClusterError
from dynamic_providers.provider import HeadscaleProvider, Props, changed
from dynamic_providers.resource import HeadscaleResource
from headscale_core import HeadscaleError
from headscale_core.policy import acl_tests
from headscale_core.policy import lifecycle as policy_rules
from headscale_core.rollout.rollout import Place, RolloutError, consent_hint, move_warning
from headscale_core.rollout.upgrade import is_another_minor

_NOTED = ("version", "policy", "retain", "abandon_data")
_PATIENCE_SECONDS = 5.0


class PreflightProvider(HeadscaleProvider):
    """Adapter of the rules of upgrade and move. Its dotted path is in people's state: moving it needs an alias here."""

    def diff(self, _id: str, olds: Props, news: Props) -> DiffResult:
        """Refuse to leave data behind without consent, before any object is made in another place.

        Raises:
            RolloutError: When namespace or instance change, and the stack does not say that the data may stay behind.
        """
        moves = changed(("namespace", "instance"), olds, news) if olds.get("namespace") else []
        if moves:
            old, new = (Place(props["namespace"], props["instance"]) for props in (olds, news))
            if news.get("abandon_data") != str(old):
                meaning = move_warning(old, new, retain=bool(olds.get("retain")), elsewhere=False)
                raise RolloutError(f"{meaning}; {consent_hint(old)}")
        return DiffResult(changes=bool(moves or changed(_NOTED, olds, news)))

    def create(self, props: Props) -> CreateResult:
        """Do nothing: there is no version before the first one."""
        return CreateResult("preflight", props)

    def read(self, id_: str, props: Props) -> ReadResult:
        """Return what is known; nothing of it is in the cluster."""
        return ReadResult(id_, props, props)

    def update(self, _id: str, olds: Props, news: Props) -> UpdateResult:
        """Store a changed policy while the old version still runs.

        Headscale reads the stored policy at start, and does not start with one that it refuses: a policy that is fixed
        for the new version has to be there before that starts.
        """
        if is_another_minor(olds.get("version"), news.get("version")) and news.get("policy"):
            self._store_policy(olds, news)
        return UpdateResult(news)

    def delete(self, _id: str, _props: Props) -> None:
        """Leave everything."""

    def _store_policy(self, olds: Props, news: Props) -> None:
        """Store the policy where ours is stored and the old version takes the new one; else it follows the rollout."""
        channel = Channel(self.channel.settings, connect_timeout_seconds=_PATIENCE_SECONDS)
        try:
            with channel.session() as client:
                stored, ours = policy_rules.stored(client), olds.get("policy") or ""
                # What is stored may lack the tests that could not run.
                if policy_rules.means_the_same(stored, ours) or acl_tests.left_out(stored, ours) is not None:
                    policy_rules.store(client, news["policy"])
                else:
                    pulumi.log.warn(
                        "the stored policy is not the one of this stack: somebody edited it; it is replaced when "
                        f"{news['version']} runs, if that starts with it"
                    )
        except (ChannelError, ClusterError, HeadscaleError) as error:
            pulumi.log.warn(
                f"the policy could not be stored before the upgrade ({error}); it is stored when {news['version']} runs"
            )
        finally:
            channel.close()


class Preflight(HeadscaleResource, module="headscale", name="Preflight"):
    """What goes before every change of an instance: everything of it depends on this.

    Attributes:
        instance: Name of the instance.
        namespace: Its namespace.
        version: Headscale's version.
        policy: The declared policy; None where there is none.
        retain: Whether the claim outlives its StatefulSet.
        abandon_data: `namespace/instance` of the data that may be left behind; None for none.
    """

    def __init__(
        self,
        resource_name: str,
        *,
        instance: str,
        namespace: pulumi.Input[str],
        version: str,
        policy: str | None,
        retain: bool,
        abandon_data: str | None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declare it; `opts.provider` is the instance's `HeadscaleConnection`."""
        props: dict[str, Any] = {
            "instance": instance,
            "namespace": namespace,
            "version": version,
            "policy": policy,
            "retain": retain,
            "abandon_data": abandon_data,
        }
        super().__init__(PreflightProvider(), resource_name, props, opts)
