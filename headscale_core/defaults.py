"""Defaults and names that several packages share, each typed once.

Names of objects, labels and annotations stand in people's clusters and programs: a change here is a change of the
contract, see `docs/`.
"""

from __future__ import annotations

API_KEY_EXPIRATION = "2160h"
"""How long an API key is valid: 90 days, the default of `headscale apikeys create`."""

API_KEY_ROTATION_BUFFER = "240h"
"""An API key with less than this left is rotated: 10 days."""

API_KEY_OVERLAP = "10m"
"""How long an API key stays valid after its rotation, for clients that have not read the new one yet."""

PRE_AUTH_KEY_EXPIRATION = "1h"
"""How long a preauth key can be used, the default of `headscale preauthkeys create`."""

API_KEY_DATA_KEY = "api-key"
"""Under which name an API key is in its Secret."""

PRE_AUTH_KEY_DATA_KEY = "key"
"""Under which name a preauth key is in its Secret."""

API_KEY_SECRET = "headscale-api-key"  # noqa: S105 - a name
"""The Secret of the API key that the sidecar manages."""

SIDECAR_CONTAINER = "apikey-manager"
"""The sidecar's container in the pod."""

LOCAL_IMAGES = "localhost/"
"""How the names of images begin that were built on a machine and that no registry serves, as podman and buildah name
them: https://docs.podman.io/en/latest/markdown/podman-build.1.html#tag-t-imagename."""

OPEN_WITHOUT_POLICY_VARIABLE = "OPEN_WITHOUT_POLICY"
"""The sidecar's variable by which a Headscale without a policy stays as it is, open: `true`; default: `false`, and it
gets a policy that denies everything."""

HTTP_PORT = 8080
"""Where Headscale serves clients and the REST API (`listen_addr`)."""

GRPC_PORT = 50443
"""Where Headscale serves gRPC (`grpc_listen_addr`)."""

RELAY_PORT = 50480
"""Where the sidecar relays the admin channel to Headscale's socket, on the pod's loopback only."""

SIDECAR_HEALTH_PORT = 8081
"""Where the sidecar answers probes and serves its metrics."""

SOCKET_PATH = "/var/run/headscale/headscale.sock"
"""Headscale's unix socket, in the directory that both containers share."""

APP_NAME = "headscale"
"""The value of `NAME_LABEL` on every object."""

MANAGER = "headscale-component"
"""The value of `MANAGED_BY_LABEL`, and the field manager of what is written by server-side apply."""

NAME_LABEL = "app.kubernetes.io/name"
"""This and the labels below: https://kubernetes.io/docs/concepts/overview/working-with-objects/common-labels/."""

INSTANCE_LABEL = "app.kubernetes.io/instance"
COMPONENT_LABEL = "app.kubernetes.io/component"
VERSION_LABEL = "app.kubernetes.io/version"
MANAGED_BY_LABEL = "app.kubernetes.io/managed-by"
PART_OF_LABEL = "app.kubernetes.io/part-of"

PREFIX = f"{MANAGER}/"
"""The prefix of this component's own labels and annotations; no other program uses it."""

KIND_LABEL = "headscale-component/kind"
"""Which kind of key a Secret holds: `preauth-key`, `api-key` or `managed-api-key`."""

NAMESPACE_LABEL = "headscale-component/namespace"
"""The instance's namespace, on Secrets of its keys, which may be in other namespaces."""


def pvc_name(instance: str) -> str:
    """Return the name of the PVC with an instance's database.

    The StatefulSet's `volumeClaimTemplates` give it, by the template's name `data`
    (https://kubernetes.io/docs/concepts/workloads/controllers/statefulset/#stable-storage).
    """
    return f"data-{instance}-0"
