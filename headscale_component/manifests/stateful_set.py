"""The StatefulSet: one pod, with Headscale and the sidecar."""

from __future__ import annotations

import pulumi
import pulumi_kubernetes as k8s

from headscale_component.manifests import containers, files, names
from headscale_component.manifests.config_map import FILE
from headscale_component.manifests.persistent_volume_claim import claim_template
from headscale_component.spec import HeadscaleArgs

_ONLY_THERE = {"pulumi.com/waitFor": "jsonpath={.metadata.uid}"}
"""The provider waits for the object and not for its pod: older ones take the old pod for the new one, and none
reports a container's own reason. The rollout waits for the pod instead. Unlike `skipAwait` it waits for a deletion."""

_OURS = {"pulumi.com/patchForce": "true"}
"""What `kubectl scale` or an interrupted run wrote is taken over, where the API server would call it a conflict."""


def stateful_set(
    instance: str,
    spec: HeadscaleArgs,
    *,
    config_map: pulumi.Input[str],
    addresses: dict[str, str],
    environment: list[k8s.core.v1.EnvVarArgs],
) -> k8s.apps.v1.StatefulSetInitArgs:
    """Return the StatefulSet.

    Args:
        instance: The instance's name.
        spec: The instance.
        config_map: Name of the ConfigMap; it changes with the content and so rolls the pod.
        addresses: Listen addresses by port name.
        environment: Secrets of the configuration, as `HEADSCALE_…` variables.
    """
    template = k8s.core.v1.PodTemplateSpecArgs(
        metadata=k8s.meta.v1.ObjectMetaArgs(
            labels={**spec.pod.labels, **names.labels(instance, spec)}, annotations=dict(spec.pod.annotations) or None
        ),
        spec=_pod(instance, spec, config_map, addresses, environment),
    )
    return k8s.apps.v1.StatefulSetInitArgs(
        metadata=k8s.meta.v1.ObjectMetaArgs(
            name=instance,
            namespace=spec.namespace,
            labels=names.labels(instance, spec),
            annotations=_ONLY_THERE | _OURS,
        ),
        spec=k8s.apps.v1.StatefulSetSpecArgs(
            service_name=instance,
            replicas=spec.replicas,
            selector=k8s.meta.v1.LabelSelectorArgs(match_labels=names.selector(instance)),
            # With OrderedReady a pod that is stuck on a bad template stays stuck when the template is fixed.
            pod_management_policy="Parallel",
            template=template,
            volume_claim_templates=[claim_template(instance, spec)],
            persistent_volume_claim_retention_policy=(
                k8s.apps.v1.StatefulSetPersistentVolumeClaimRetentionPolicyArgs(
                    # What replaces the StatefulSet must not take the data; with `retain: false` the rollout deletes it.
                    when_deleted="Retain",
                    when_scaled="Retain",
                )
            ),
        ),
    )


def _pod(
    instance: str,
    spec: HeadscaleArgs,
    config_map: pulumi.Input[str],
    addresses: dict[str, str],
    environment: list[k8s.core.v1.EnvVarArgs],
) -> k8s.core.v1.PodSpecArgs:
    managed, more = spec.api_key.auto_manage, spec.pod
    pod_containers = [containers.headscale(spec, addresses, environment)]
    if managed:
        pod_containers.append(containers.apikey_manager(instance, spec))
    return k8s.core.v1.PodSpecArgs(
        service_account_name=instance if managed else None,
        automount_service_account_token=False,
        enable_service_links=False,
        image_pull_secrets=[k8s.core.v1.LocalObjectReferenceArgs(name=secret) for secret in spec.image_pull_secrets]
        or None,
        security_context=k8s.core.v1.PodSecurityContextArgs(
            run_as_non_root=True,
            run_as_user=names.NON_ROOT,
            run_as_group=names.NON_ROOT,
            fs_group=names.NON_ROOT,
            fs_group_change_policy="OnRootMismatch",
            seccomp_profile=k8s.core.v1.SeccompProfileArgs(type="RuntimeDefault"),
        ),
        containers=[*pod_containers, *map(containers.as_args, more.containers)],
        volumes=[
            *_volumes(config_map, with_token=managed),
            *files.volumes(spec, config_map),
            *map(containers.as_args, more.volumes),
        ],
        node_selector=dict(more.node_selector) or None,
        tolerations=[*map(containers.as_args, more.tolerations)] or None,
        affinity=containers.as_args(more.affinity) if more.affinity else None,
        topology_spread_constraints=[*map(containers.as_args, more.topology_spread_constraints)] or None,
        priority_class_name=more.priority_class_name,
    )


def _volumes(config_map: pulumi.Input[str], *, with_token: bool) -> list[k8s.core.v1.VolumeArgs]:
    volumes = [
        k8s.core.v1.VolumeArgs(
            name=containers.CONFIG,
            config_map=k8s.core.v1.ConfigMapVolumeSourceArgs(
                name=config_map, items=[k8s.core.v1.KeyToPathArgs(key=FILE, path=FILE)]
            ),
        ),
        k8s.core.v1.VolumeArgs(name=containers.SOCKET, empty_dir=k8s.core.v1.EmptyDirVolumeSourceArgs()),
    ]
    if with_token:
        volumes.append(
            k8s.core.v1.VolumeArgs(
                name=containers.TOKEN,
                projected=k8s.core.v1.ProjectedVolumeSourceArgs(sources=_token_sources()),
            )
        )
    return volumes


def _token_sources() -> list[k8s.core.v1.VolumeProjectionArgs]:
    """Return what a mounted service account consists of, for the one container that may have it."""
    return [
        k8s.core.v1.VolumeProjectionArgs(
            service_account_token=k8s.core.v1.ServiceAccountTokenProjectionArgs(path="token", expiration_seconds=3607)
        ),
        k8s.core.v1.VolumeProjectionArgs(
            config_map=k8s.core.v1.ConfigMapProjectionArgs(
                name="kube-root-ca.crt", items=[k8s.core.v1.KeyToPathArgs(key="ca.crt", path="ca.crt")]
            )
        ),
    ]
