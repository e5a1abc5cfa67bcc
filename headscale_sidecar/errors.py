"""What keeps the sidecar from its work, by name; no message holds a key.

SidecarError                  catches everything of this package
├── SettingsError             the environment is wrong            (`settings`)
├── KubernetesError           a call that Kubernetes did not do   (`kubernetes`)
├── HeadscaleUnavailable      Headscale does not answer, so that nobody knows whether a key works  (`headscale`)
└── RotationError             the key was not replaced            (`headscale`)

Errors of the core (`headscale_core.errors.HeadscaleError`) pass through: they are named in logs, metrics and Events by
their class, and so are these.
"""


class SidecarError(Exception):
    """The base of all errors of this package."""
