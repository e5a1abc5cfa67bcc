"""The PVC with the data: created by the StatefulSet from its `volumeClaimTemplates`, resized by the rollout."""

from __future__ import annotations

import pulumi_kubernetes as k8s

from headscale_component.manifests import names
from headscale_component.spec import HeadscaleArgs

VOLUME = "data"


def claim_template(instance: str, spec: HeadscaleArgs) -> k8s.core.v1.PersistentVolumeClaimArgs:
    """Return the entry of `volumeClaimTemplates`, which is immutable: a StatefulSet creates the PVC from it once."""
    claim = spec.persistent_volume_claim
    return k8s.core.v1.PersistentVolumeClaimArgs(
        metadata=k8s.meta.v1.ObjectMetaArgs(name=VOLUME, labels=names.selector(instance)),
        spec=k8s.core.v1.PersistentVolumeClaimSpecArgs(
            access_modes=["ReadWriteOnce"],
            storage_class_name=claim.storage_class_name,
            resources=k8s.core.v1.VolumeResourceRequirementsArgs(requests={"storage": claim.size}),
        ),
    )
