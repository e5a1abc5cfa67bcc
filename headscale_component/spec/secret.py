"""How the Secret of a key looks."""

from __future__ import annotations

from pydantic import Field

from headscale_component.spec.model import OrOutput, SpecModel
from headscale_component.spec.values import DnsLabel, DnsSubdomain, SecretAnnotations, SecretLabels


class KeySecretSpec(SpecModel):
    """The Secret that holds a key, so that pods and tools can use it as it is."""

    secret_name: OrOutput[DnsSubdomain] | None = None
    """The Secret that holds the key; default: the key's own name. In Python an Output too."""

    secret_namespace: OrOutput[DnsLabel] | None = None
    """The namespace of the Secret, which has to be there; default: the instance's. In Python an Output too, such as the
    name of a Namespace that the program makes."""

    secret_labels: SecretLabels = Field(default_factory=dict)
    """More labels of the Secret."""

    secret_annotations: SecretAnnotations = Field(default_factory=dict)
    """More annotations of the Secret, for example those of a tool that copies it elsewhere."""
