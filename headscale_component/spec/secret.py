"""How the Secret of a key looks."""

from __future__ import annotations

from pydantic import Field

from headscale_component.spec.model import SpecModel
from headscale_component.spec.values import DnsLabel, DnsSubdomain, SecretAnnotations, SecretLabels


class KeySecretSpec(SpecModel):
    """The Secret that holds a key, so that pods and tools can use it as it is."""

    secret_name: DnsSubdomain | None = None
    """The Secret that holds the key; default: the key's own name."""

    secret_namespace: DnsLabel | None = None
    """The namespace of the Secret, which has to be there; default: the instance's."""

    secret_labels: SecretLabels = Field(default_factory=dict)
    """More labels of the Secret."""

    secret_annotations: SecretAnnotations = Field(default_factory=dict)
    """More annotations of the Secret, for example those of a tool that copies it elsewhere."""
