"""How Pulumi reaches the instance to manage users and keys."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from headscale_component.spec.model import OrOutput, SecretText, SpecModel, TextOrSecret
from headscale_component.spec.values import ReferencedName


class ConnectionSpec(SpecModel):
    """The admin channel; the default suits everybody who can deploy the instance in the first place."""

    channel: Literal["relay", "direct", "pod"] | None = None
    """`relay`: a port-forward to the sidecar. `direct`: `address` with an API key over TLS. `pod`: a port-forward to
    the pod's own gRPC port. Default: `relay`, or `pod` where the sidecar is switched off."""

    address: OrOutput[str] | None = None
    """For `direct`: `host:port` of Headscale's gRPC listener, or `https://host` for REST (0.28 and newer)."""

    transport: Literal["grpc", "rest"] | None = None
    """How `pod` speaks to Headscale. Default: `grpc`, which ends with 0.29, and `rest` from 0.30 on. The relay finds
    out by itself, and for `direct` the address decides."""

    api_key: SecretText | None = None
    """An API key as a Pulumi secret, for `direct` and `pod`: an Output in Python, set with
    `pulumi config set --secret --path` in a stack file."""

    api_key_secret: ReferencedName | None = None
    """A Secret in the instance's namespace that holds the key under `api-key`, read at the time of use."""

    kubeconfig: Annotated[TextOrSecret | None, Field(repr=False)] = None
    """Kubeconfig (text or path) for the port-forward; default `kubernetes:kubeconfig`, then `KUBECONFIG`."""

    context: str | None = None
    """Context in that kubeconfig; default `kubernetes:context`, then the current one."""
