"""The rollout of an instance as a Pulumi resource: an update ends when the new pod serves, or with why it does not."""

from typing import Any, ClassVar

import pulumi
from pulumi.dynamic import CheckResult, CreateResult, DiffResult, ReadResult, UpdateResult
from pulumi.output import Unknown

from dynamic_providers.admin.channel import retry_idempotent
from dynamic_providers.errors import ChannelError, ClusterError
from dynamic_providers.kubernetes.cluster_identity import read_cluster_id
from dynamic_providers.kubernetes.rollout_watcher import RolloutWatcher
from dynamic_providers.provider import HeadscaleProvider, Props, changed, keep_outputs
from dynamic_providers.resource import HeadscaleResource
from headscale_core import HeadscaleError
from headscale_core.rollout import pvc as pvc_rules
from headscale_core.rollout import rollout as rules
from headscale_core.rollout.identity import database_id, is_of_another_pvc
from headscale_core.rollout.rollout import DesiredRollout, InstanceLocation, RolloutError
from headscale_core.rollout.upgrade import step_problem
from headscale_core.values.durations import parse_duration

_OBSERVED = ("claim", "claim_class")
_ROLLOUT_FIELDS = ("template", "version", "size", "storage_class")


class RolloutProvider(HeadscaleProvider):
    """Adapter of the rollout's rules. Its dotted path is in people's state: moving it needs an alias here."""

    def check(self, olds: Props, news: Props) -> CheckResult:
        """Record the address of the API server, where the kubeconfig has it."""
        return CheckResult({**news, "server": self.channel.cluster.server() or olds.get("server")}, [])

    def diff(self, _id: str, olds: Props, news: Props) -> DiffResult:
        """Update where the template, the version or the PVC changed; replace where another database answers.

        A call is made only where the cluster looks like another one, and it need not be answered.

        Raises:
            RolloutError: When the PVC cannot become what is declared, or data would be left behind without consent.
        """
        if self._is_moved(olds, news):
            old = _location(olds)
            elsewhere, consent = old.namespace == news["namespace"], news.get("abandon_data")
            meaning = rules.move_warning(old, _location(news), retain=bool(olds.get("retain")), elsewhere=elsewhere)
            if not rules.is_consented(old, olds.get("abandon_data"), consent, elsewhere=elsewhere):
                raise RolloutError(f"{meaning}; {rules.consent_hint(old, consent)}")
            pulumi.log.warn(meaning)
            return DiffResult(changes=True, replaces=["namespace"])
        # Before there is a PVC, nothing of it is fixed.
        pvc_change = (_shrink_problem(olds, news) or _storage_class_problem(olds, news)) if olds.get("claim") else ""
        if problem := pvc_change or _wrong_step(olds, news):
            raise RolloutError(problem)
        rolls_out = bool(changed(_ROLLOUT_FIELDS, olds, news)) or olds.get("is_settled") is False
        # Another address of the same cluster is no change: it depends on the network from which Pulumi runs.
        stored = changed(("replicas", "ready_timeout", "retain", "abandon_data"), olds, news)
        return DiffResult(changes=rolls_out or bool(stored))

    def create(self, props: Props) -> CreateResult:
        """Wait for the first rollout; the id identifies the database and its cluster."""
        pvc_uid = self._wait_for_rollout(props)
        id_ = database_id(_location(props), pvc_uid, self._cluster_id(), props.get("server"))
        return CreateResult(id_, {**props, **self._observed_pvc()})

    def read(self, id_: str, props: Props) -> ReadResult:
        """Check whether the pod is as it was left, and which PVC it has; where not, the next update waits again.

        It is never gone for Pulumi: whether the database is the same as before is observed by users, keys and policy.
        """
        inputs = {name: value for name, value in props.items() if name not in {*_OBSERVED, "is_settled"}}
        outs = {**inputs, **self._observed_pvc()}
        if not self._watcher.is_settled(_desired(props)) or self.channel.revocations.are_pending():
            outs["is_settled"] = False
        return ReadResult(id_, outs, inputs)

    def update(self, id_: str, olds: Props, news: Props) -> UpdateResult:
        """Wait for the rollout, and fail where the PVC is another one than before."""
        if not changed(_ROLLOUT_FIELDS, olds, news) and olds.get("is_settled") is not False:
            return UpdateResult(keep_outputs(news, olds, _OBSERVED))
        pvc_uid = self._wait_for_rollout(news)
        if olds.get("claim") and pvc_uid and pvc_uid != olds["claim"]:
            location = _location(news)
            raise RolloutError(
                f"PVC {location.namespace}/{location.pvc} is another one than before: it was recreated, and its "
                "database with it; `pulumi up --refresh` creates users, keys and policy in it"
            )
        if not olds.get("claim") and pvc_uid and is_of_another_pvc(id_, pvc_uid):
            location = _location(news)
            pulumi.log.warn(
                f"PVC {location.namespace}/{location.pvc} is another one than that of which the last refresh found "
                "nothing: what this update does not create in its database, `pulumi up --refresh` recreates"
            )
        return UpdateResult({**news, **self._observed_pvc()})

    def delete(self, _id: str, props: Props) -> None:
        """Delete the PVC where its data is not to be retained; it goes with the pod that uses it."""
        if not props.get("retain") and props.get("claim"):
            self._watcher.delete_pvc(_location(props), str(props["claim"]))

    def _observed_pvc(self) -> Props:
        """Return what identifies the PVC: its uid and its storage class."""
        pvc = self._watcher.pvc()
        if pvc is None:
            return {}
        return {"claim": pvc["metadata"].get("uid"), "claim_class": pvc["spec"].get("storageClassName")}

    def _cluster_id(self) -> str:
        """Return what identifies the cluster; empty where it may not be read."""
        try:
            return read_cluster_id(self.channel.cluster)
        except ClusterError:
            return ""

    def _wait_for_rollout(self, props: Props) -> str | None:
        """Wait for the rollout, and revoke the keys that were deleted while Headscale did not run."""
        desired = _desired(props)
        pvc_uid = self._watcher.wait(desired)
        self.channel.reconnect()
        if desired.replicas:
            try:
                if self.channel.revocations.are_pending():
                    retry_idempotent(self.channel.revoke_pending)
            except (ChannelError, HeadscaleError) as error:
                # They stay in the annotation of the PVC, and what changes something next tries again.
                pulumi.log.warn(f"keys that were deleted while Headscale did not run are not revoked yet: {error}")
        return pvc_uid

    @property
    def _watcher(self) -> RolloutWatcher:
        return RolloutWatcher(self.channel.cluster, self.channel.settings, pulumi.log.info)

    def _is_moved(self, olds: Props, news: Props) -> bool:
        """Return whether another database will answer."""
        if changed(("namespace", "instance"), olds, news):
            return True
        if not changed(("server",), olds, news) or not olds.get("claim"):
            return False
        try:
            pvc_uid = self._watcher.pvc_uid()
        except ClusterError as error:
            pulumi.log.warn(
                f"the cluster's address changed from {olds.get('server')} to {news.get('server')}; this preview "
                f"cannot check whether it is another cluster, with another database; `pulumi up` does: {error}"
            )
            return False
        return bool(pvc_uid != olds["claim"])


class Rollout(HeadscaleResource, module="headscale", name="Rollout"):
    """The newest pod of an instance, ready, and its PVC with the declared size.

    Attributes:
        instance: Name of the instance.
        namespace: Its namespace.
        template: A hash of the StatefulSet; a change is waited for until its pod serves.
        version: Headscale's version, which has to answer.
        replicas: 1, or 0 for an instance that is stopped.
        size: The PVC's size, a Kubernetes quantity. It can grow, and never shrink.
        storage_class: The PVC's storage class; None for whatever it has. It cannot change.
        ready_timeout: How long a rollout may take, a duration.
        retain: Whether the PVC outlives its StatefulSet.
        abandon_data: `namespace/instance` of the data that may be left behind; None for none.
        server: Address of the API server, by which another cluster is noticed.
        claim: The PVC's uid, by which another database is noticed.
        claim_class: The PVC's storage class.
    """

    computed: ClassVar[tuple[str, ...]] = _OBSERVED
    claim: pulumi.Output[str | None]

    def __init__(
        self,
        resource_name: str,
        *,
        instance: str,
        namespace: pulumi.Input[str],
        template: pulumi.Input[str],
        version: str,
        replicas: int,
        size: str,
        storage_class: str | None,
        ready_timeout: str,
        retain: bool,
        abandon_data: str | None,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declare the rollout; `opts.provider` is the instance's `HeadscaleConnection`."""
        props: dict[str, Any] = {
            "instance": instance,
            "namespace": namespace,
            "template": template,
            "version": version,
            "replicas": replicas,
            "size": size,
            "storage_class": storage_class,
            "ready_timeout": ready_timeout,
            "retain": retain,
            "abandon_data": abandon_data,
        }
        super().__init__(RolloutProvider(), resource_name, props, opts)


def _location(props: Props) -> InstanceLocation:
    return InstanceLocation(str(props["namespace"]), str(props["instance"]))


def _desired(props: Props) -> DesiredRollout:
    return DesiredRollout(
        version=str(props["version"]),
        size=str(props["size"]),
        storage_class=props.get("storage_class"),
        timeout_seconds=parse_duration(props["ready_timeout"]).total_seconds(),
        # The engine hands numbers over as floats; the state of an older program has none.
        replicas=int(props.get("replicas", 1)),
    )


def _shrink_problem(olds: Props, news: Props) -> str:
    if isinstance(news["size"], Unknown) or pvc_rules.quantity(news["size"]) >= pvc_rules.quantity(olds["size"]):
        return ""
    return pvc_rules.shrink_problem(_pvc(olds), olds["size"], news["size"])


def _storage_class_problem(olds: Props, news: Props) -> str:
    old, new = olds.get("claim_class") or olds.get("storage_class"), news.get("storage_class")
    return pvc_rules.storage_class_problem(_pvc(olds), old, new) if old and new and old != new else ""


def _wrong_step(olds: Props, news: Props) -> str:
    # The state holds the version that ran: one whose rollout failed may be taken back.
    problem = step_problem(olds.get("version"), news.get("version"))
    return f"version {news['version']} after {olds['version']} {problem}" if problem else ""


def _pvc(props: Props) -> str:
    location = _location(props)
    return f"PVC {location.namespace}/{location.pvc}"
