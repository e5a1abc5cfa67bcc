"""What is checked and done before anything of an instance changes, as a Pulumi resource."""

from collections.abc import Sequence
from typing import Any, ClassVar

import pulumi
from pulumi.dynamic import CheckResult, CreateResult, DiffResult, ReadResult, UpdateResult

from dynamic_providers.admin.channel import Channel
from dynamic_providers.errors import ChannelError, ClusterError, ClusterUnreachable, WrongCluster
from dynamic_providers.kubernetes.cluster_identity import read_cluster_id
from dynamic_providers.kubernetes.rollout_watcher import RolloutWatcher
from dynamic_providers.provider import HeadscaleProvider, Props, changed
from dynamic_providers.resource import HeadscaleResource
from headscale_core import HeadscaleError
from headscale_core.policy import lifecycle as policy_rules
from headscale_core.rollout.identity import Identity, identity_in, is_another_cluster
from headscale_core.rollout.pvc import preflight_problem
from headscale_core.rollout.rollout import (
    InstanceLocation,
    RolloutError,
    consent_hint,
    is_consented,
    move_warning,
)
from headscale_core.rollout.upgrade import (
    is_another_minor,
    is_noteworthy,
    stored_policy_problem,
    unknown_policy_problem,
)

_COMPARED = ("version", "policy", "retain", "abandon_data", "size", "storage_class")
_OBSERVED = ("server", "cluster_id", "claim")
_CONNECT_TIMEOUT_SECONDS = 5.0


class PreflightProvider(HeadscaleProvider):
    """Adapter of the rules of upgrade and move. Its dotted path is in people's state: moving it needs an alias here.

    Everything of an instance depends on this resource, and the engine asks for its difference and updates it first. So
    what is refused here is refused before any object changes, with `--skip-preview` too
    (https://www.pulumi.com/docs/iac/concepts/resources/options/dependson/).
    """

    def check(self, olds: Props, news: Props) -> CheckResult:
        """Show the notes on an upgrade, which then leave the inputs: they do not go into the state."""
        before, after = olds.get("version"), news.get("version")
        for since, text in news.get("upgrade_notes") or ():
            if is_noteworthy(before, after, since):
                pulumi.log.warn(f"{news['instance']}: {before} -> {after}: {text}")
        return CheckResult({name: value for name, value in news.items() if name != "upgrade_notes"}, [])

    def diff(self, _id: str, olds: Props, news: Props) -> DiffResult:
        """Refuse to leave data behind without consent, before any object is created in another location.

        A call is made only where the kubeconfig leads to another address than before, and it need not be answered.

        Raises:
            RolloutError: When namespace, instance or cluster change, and the stack does not consent.
        """
        moves = changed(("namespace", "instance"), olds, news) if olds.get("namespace") else []
        elsewhere = not moves and self._is_another_cluster(olds)
        if moves or elsewhere:
            old, new = (InstanceLocation(props["namespace"], props["instance"]) for props in (olds, news))
            if not is_consented(old, olds.get("abandon_data"), news.get("abandon_data"), elsewhere=elsewhere):
                meaning = move_warning(old, new, retain=bool(olds.get("retain")), elsewhere=elsewhere)
                raise RolloutError(f"{meaning}; {consent_hint(old, news.get('abandon_data'))}")
        # A state of an earlier version knows no cluster yet.
        noticed = elsewhere or "cluster_id" not in olds
        return DiffResult(changes=bool(moves or noticed or changed(_COMPARED, olds, news)))

    def create(self, props: Props) -> CreateResult:
        """Refuse what an existing PVC cannot serve: it may be the retained one of an instance that was destroyed.

        Raises:
            RolloutError: When the PVC is larger, of another storage class, or was served by a newer version.
        """
        self._check_pvc(props)
        return CreateResult("preflight", {**props, **self._observed({})})

    def read(self, id_: str, props: Props) -> ReadResult:
        """Return what is known; the PVC is added where it was created later and nothing else identifies the cluster."""
        inputs = {name: value for name, value in props.items() if name not in _OBSERVED}
        is_known = props.get("cluster_id") or props.get("claim")
        return ReadResult(id_, props if is_known else {**props, **self._observed_pvc()}, inputs)

    def update(self, _id: str, olds: Props, news: Props) -> UpdateResult:
        """Refuse what the PVC cannot serve, and store a changed policy while the old version still runs.

        Headscale reads the stored policy at start, and does not start with one that it refuses (`NewState` in
        https://github.com/juanfont/headscale/blob/v0.29.3/hscontrol/state/state.go): a policy that is fixed for the
        new version has to be there before that starts.

        Raises:
            RolloutError: As `create`; when the policy that is stored is not this stack's; when another cluster answers
                at the same address, for which `diff` sends no request.
        """
        self._require_same_cluster(olds, news)
        self._check_pvc(news)
        if is_another_minor(olds.get("version"), news.get("version")) and news.get("policy"):
            self._store_policy(olds, news)
        return UpdateResult({**news, **self._observed(olds)})

    def delete(self, _id: str, _props: Props) -> None:
        """Leave everything."""

    @property
    def _watcher(self) -> RolloutWatcher:
        return RolloutWatcher(self.channel.cluster, self.channel.settings, pulumi.log.info)

    def _require_same_cluster(self, olds: Props, news: Props) -> None:
        """Check that the cluster is that of the state, unless the stack consents to leave its data behind.

        Raises:
            RolloutError: When it is another one.
        """
        location = InstanceLocation(str(news["namespace"]), str(news["instance"]))
        consent = is_consented(location, olds.get("abandon_data"), news.get("abandon_data"), elsewhere=True)
        if consent or changed(("namespace", "instance"), olds, news):
            return
        identity = self.channel.user_registry.identity
        identity.expect(identity_in(olds, location))
        try:
            identity.require()
        except WrongCluster:
            meaning = move_warning(location, location, retain=bool(olds.get("retain")), elsewhere=True)
            hint = consent_hint(location, news.get("abandon_data"))
            raise RolloutError(
                f"{self.channel.cluster.name} is another cluster than the one in which {location} was deployed, at the "
                f"same address: is it the right context? If so, {meaning}; {hint}"
            ) from None
        except ClusterError:
            # The next changed resource reports why the cluster does not answer.
            return

    def _check_pvc(self, props: Props) -> None:
        """Raise RolloutError where the PVC cannot serve what is declared; the rollout reports why it cannot be read."""
        if not props.get("size"):
            return
        try:
            pvc = self._watcher.pvc()
        except ClusterError:
            return
        location = InstanceLocation(str(props["namespace"]), str(props["instance"]))
        problem = pvc and preflight_problem(
            location, pvc, str(props["size"]), props.get("storage_class"), str(props["version"])
        )
        if problem:
            raise RolloutError(problem)

    def _is_another_cluster(self, olds: Props) -> bool:
        """Return whether another address is that of another cluster; False where that cannot be determined."""
        try:
            if self.channel.cluster.server() in {None, olds.get("server")}:
                return False
            now = self._observe()
        except ClusterError:
            return False
        # A PVC that may not be read shows nothing; one that is not there shows another cluster.
        before = olds if "claim" in now else {**olds, "claim": None}
        names = ("claim", "cluster_id", "server")
        return is_another_cluster(*(Identity.of(*map(props.get, names)) for props in (before, now)))

    def _observe(self) -> Props:
        """Return which cluster and which PVC this is, as far as they may be read; the PVC may be created later.

        Raises:
            ClusterError: When the API server does not answer.
        """
        return {
            "server": self.channel.cluster.server() or "",
            "cluster_id": read_cluster_id(self.channel.cluster),
            **self._observed_pvc(),
        }

    def _observed_pvc(self) -> Props:
        try:
            return {"claim": self._watcher.pvc_uid() or ""}
        except ClusterUnreachable:
            raise
        except ClusterError:
            return {}

    def _observed(self, olds: Props) -> Props:
        """Return which cluster and PVC this is, and accept it as the right one: it was checked before.

        Where the API server does not answer, the state keeps what it knows of the cluster: without it, the next update
        could not tell another cluster from this one.
        """
        try:
            seen = self._observe()
        except ClusterError:
            return {"cluster_id": "", **{name: olds[name] for name in _OBSERVED if olds.get(name) is not None}}
        self.channel.user_registry.identity.accept()
        return seen

    def _store_policy(self, olds: Props, news: Props) -> None:
        """Store the policy where the stored one is this stack's; one that the old version refuses follows the rollout.

        Raises:
            RolloutError: When another policy is stored, or which one is cannot be found out though the pod runs.
        """
        channel = Channel(self.channel.settings, connect_timeout_seconds=_CONNECT_TIMEOUT_SECONDS)
        try:
            with channel.session() as client:
                stored = policy_rules.stored(client)
                is_of_stack = policy_rules.is_one_of(stored, (olds.get("policy"), news.get("policy")))
                if not (is_of_stack or news.get("overwrite_policy")):
                    raise RolloutError(stored_policy_problem(str(olds.get("version")), str(news["version"])))
                policy_rules.store(client, news["policy"])
        except RolloutError:
            raise
        except ChannelError as error:
            pulumi.log.warn(_unreachable_warning(channel, error, olds, news))
        except HeadscaleError as error:
            pulumi.log.warn(
                f"{olds.get('version')} does not store the declared policy ({error}): it is stored when "
                f"{news['version']} runs, which starts with the policy that was in force until now"
            )
        finally:
            channel.close()


def _unreachable_warning(channel: Channel, error: ChannelError, olds: Props, news: Props) -> str:
    """Return the warning for an old version that cannot be asked: its pod does not run, and the new one may fix it.

    Raises:
        RolloutError: When the pod runs.
    """
    try:
        reason = RolloutWatcher(channel.cluster, channel.settings, pulumi.log.info).stopped()
    except ClusterError as unreadable:
        # What cannot be read here cannot be changed either: the objects themselves fail next.
        reason = str(unreadable)
    if not reason:
        raise RolloutError(unknown_policy_problem(str(olds.get("version")), str(news["version"]), str(error)))
    return (
        f"the stored policy was not compared with the declared one before the upgrade ({error}; {reason}); it is "
        f"stored when {news['version']} runs"
    )


class Preflight(HeadscaleResource, module="headscale", name="Preflight"):
    """What goes before every change of an instance: everything of it depends on this.

    Attributes:
        size: The PVC's declared size, a Kubernetes quantity.
        storage_class: The PVC's declared class; None for whatever it has.
        server: Address of the API server, as text; empty where the kubeconfig has none.
        cluster_id: What identifies the cluster; empty where it may not be read.
        claim: The PVC's uid, which identifies the cluster where nothing else does; empty where there was none yet.
        instance: Name of the instance.
        namespace: Its namespace.
        version: Headscale's version.
        policy: The declared policy; None where there is none.
        overwrite_policy: Whether it replaces a policy that others stored; None for not.
        retain: Whether the PVC outlives its StatefulSet.
        abandon_data: `namespace/instance` of the data that may be left behind; None for none.
    """

    computed: ClassVar[tuple[str, ...]] = _OBSERVED

    def __init__(
        self,
        resource_name: str,
        *,
        instance: str,
        namespace: pulumi.Input[str],
        version: str,
        policy: str | None,
        overwrite_policy: bool = False,
        retain: bool,
        abandon_data: str | None,
        size: str | None = None,
        storage_class: str | None = None,
        upgrade_notes: Sequence[tuple[str, str]] = (),
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declare it; `opts.provider` is the instance's `HeadscaleConnection`.

        `upgrade_notes` holds the notes on an upgrade to `version`, which a preview of it shows: the minor version since
        which each holds, as `0.29`, empty for every version, and its text.
        """
        props: dict[str, Any] = {
            "instance": instance,
            "namespace": namespace,
            "version": version,
            "policy": policy,
            "overwrite_policy": overwrite_policy or None,
            "retain": retain,
            "abandon_data": abandon_data,
            "size": size,
            "storage_class": storage_class,
            "upgrade_notes": [list(note) for note in upgrade_notes] or None,
        }
        super().__init__(PreflightProvider(), resource_name, props, opts)
