"""The base of every error that the providers raise, and the tree of them.

    ProviderError
    ├── ChannelError                 Headscale cannot be reached
    │   ├── ConnectFailed            Headscale does not answer; retried until the deadline
    │   ├── ConnectionLost           the connection broke in the middle of an operation; retried where that is safe
    │   ├── InstanceNotFound         there is no instance of that name in this cluster any more
    │   ├── InstanceStopped          the instance is there, and its pod does not run
    │   ├── WrongCluster             there is none, and nothing shows that there ever was
    │   └── ClusterError             Kubernetes did not carry out a request
    │       └── ClusterUnreachable   no API server answers
    └── UserFacingError                      what the person who runs Pulumi is shown, in one line    (`failures`)

The errors of users, keys, policy and rollouts belong to `headscale_core.errors`. Errors of kr8s, httpx and urllib3 are
mapped in `kubernetes.errors`; any other exception that leaves a provider is a bug, and is shown with its trace.
"""


class ProviderError(Exception):
    """The base of all errors of the providers; the message is a sentence for the person who runs Pulumi."""


class ChannelError(ProviderError):
    """Headscale is unreachable; the message has the cause and what to check."""


class ClusterError(ChannelError):
    """A request that Kubernetes did not carry out.

    Attributes:
        status: The HTTP status, None where there was no answer.
    """

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class ClusterUnreachable(ClusterError):
    """No API server answers, or no kubeconfig has its address."""


class ConnectFailed(ChannelError):
    """The connection to the pod works, and Headscale does not answer.

    Attributes:
        crashes: Whether a container of the pod crashes, so that another attempt would fail too.
    """

    def __init__(self, message: str, *, crashes: bool) -> None:
        super().__init__(message)
        self.crashes = crashes


class ConnectionLost(ChannelError):
    """The connection broke in the middle of an operation."""


class InstanceNotFound(ChannelError):
    """The instance itself is not there any more."""


class InstanceStopped(ChannelError):
    """The instance is there and its pod does not run: by the StatefulSet and the pod, not by a call that failed.

    Attributes:
        is_scaled_to_zero: Whether the StatefulSet is to have no pod.
        may_start: Whether the pod may become ready by itself, False by default.
    """

    def __init__(self, message: str, *, is_scaled_to_zero: bool, may_start: bool = False) -> None:
        super().__init__(message)
        self.is_scaled_to_zero = is_scaled_to_zero
        self.may_start = may_start


class WrongCluster(ChannelError):
    """The instance is not there, and nothing shows that this is the cluster in which it was."""
