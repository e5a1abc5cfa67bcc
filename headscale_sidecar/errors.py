"""The base of every error that the sidecar raises, and the tree of them.

    SidecarError
    ├── HeadscaleUnavailable   Headscale does not answer whether a key is valid    (`headscale`)
    ├── ProcessError           a process that the sidecar started has failed       (`headscale`)
    │   ├── RotationError      the one that rotates the key                        (`headscale`)
    │   └── DenyAllError       the one that closes a Headscale without a policy    (`headscale`)
    ├── KubernetesError        Kubernetes did not carry out a request              (`kubernetes`)
    └── SettingsError          the environment holds wrong settings                (`settings`)

Errors of http.client and the operating system are mapped to these where the call is made.
"""


class SidecarError(Exception):
    """The base of all errors of the sidecar; no message holds a key."""
