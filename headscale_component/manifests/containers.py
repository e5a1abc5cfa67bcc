"""The two containers of the pod."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pulumi
import pulumi_kubernetes as k8s

from headscale_component.manifests import files, names
from headscale_component.manifests.config_map import FILE
from headscale_component.manifests.persistent_volume_claim import VOLUME as DATA
from headscale_component.spec import HeadscaleArgs
from headscale_component.spec.config import DATA_DIRECTORY, SOCKET_DIRECTORY
from headscale_component.spec.config.addresses import port_of
from headscale_component.spec.config.rules import is_secret_reference
from headscale_component.spec.files import CONFIG_DIRECTORY
from headscale_component.spec.pod import VariableSource
from headscale_core.defaults import OPEN_WITHOUT_POLICY_VARIABLE, SIDECAR_CONTAINER
from headscale_core.values.durations import format_duration, parse_duration

CONFIG = "config"
SOCKET = "socket"
TOKEN = "service-account-token"  # noqa: S105 - the name of a volume

_TOKEN_DIRECTORY = "/var/run/secrets/kubernetes.io/serviceaccount"  # noqa: S105 - where every client looks


def headscale(
    spec: HeadscaleArgs, addresses: dict[str, str], environment: list[k8s.core.v1.EnvVarArgs]
) -> k8s.core.v1.ContainerArgs:
    """Return Headscale's container.

    It has no CPU limit on purpose: every authenticated call costs 53 ms of bcrypt, half a second at 100m.

    Args:
        spec: The instance.
        addresses: Listen addresses by port name.
        environment: Secrets of the configuration, as `HEADSCALE_…` variables.
    """
    return k8s.core.v1.ContainerArgs(
        name="headscale",
        image=spec.image if "@" in spec.image else f"{spec.image}:{spec.version}",
        image_pull_policy="IfNotPresent",
        args=["serve", "--config", f"{CONFIG_DIRECTORY}/{FILE}"],
        env=[*environment, *_more_variables(spec)] or None,
        ports=[_container_port(name, port_of(address)) for name, address in addresses.items()],
        # Headscale fetches relay maps and asks its identity provider before it listens: 30 s each at worst.
        startup_probe=_health(spec, period_seconds=2, failure_threshold=45),
        readiness_probe=_health(spec, period_seconds=5, failure_threshold=3),
        liveness_probe=_health(spec, period_seconds=10, failure_threshold=6),
        resources=as_args(spec.pod.resources),
        security_context=_security_context(),
        termination_message_policy="FallbackToLogsOnError",
        volume_mounts=[
            _mount(CONFIG, CONFIG_DIRECTORY, read_only=True),
            _mount(DATA, DATA_DIRECTORY),
            _mount(SOCKET, SOCKET_DIRECTORY),
            *files.mounts(spec),
            *map(as_args, spec.pod.volume_mounts),
        ],
    )


def as_args(value: Mapping[str, Any]) -> Any:  # noqa: ANN401 - Pulumi takes mappings for any arguments
    """Return a Kubernetes object of the specification as an argument of `pulumi_kubernetes`."""
    return dict(value)


def _more_variables(spec: HeadscaleArgs) -> list[k8s.core.v1.EnvVarArgs]:
    return [
        k8s.core.v1.EnvVarArgs(name=name, value_from=as_args(value.model_dump(by_alias=True, exclude_none=True)))
        if isinstance(value, VariableSource)
        else k8s.core.v1.EnvVarArgs(name=name, value=value)
        for name, value in spec.pod.env.items()
    ]


def apikey_manager(instance: str, spec: HeadscaleArgs) -> k8s.core.v1.ContainerArgs:
    """Return the sidecar, which keeps the API key and relays the admin channel."""
    scheme = "https" if spec.config.serves_tls else "http"
    settings = {
        "INSTANCE": instance,
        "SECRET_NAME": spec.api_key.secret_name,
        # One spelling for equal times, so that `90d` in place of `2160h` restarts no pod.
        "EXPIRATION": format_duration(parse_duration(spec.api_key.expiration)),
        "ROTATION_BUFFER": format_duration(parse_duration(spec.api_key.rotation_buffer)),
        "OVERLAP": format_duration(parse_duration(spec.api_key.overlap)),
        "SOCKET_PATH": spec.config.unix_socket,
        "HEADSCALE_URL": f"{scheme}://127.0.0.1:{port_of(spec.config.listen_addr)}",
        **({"HEADSCALE_SERVER_NAME": name} if (name := spec.config.tls_letsencrypt_hostname) else {}),
        "RELAY_LISTEN": f"127.0.0.1:{names.RELAY_PORT}",
        "HEALTH_LISTEN": f":{names.SIDECAR_HEALTH_PORT}",
        **({OPEN_WITHOUT_POLICY_VARIABLE: "true"} if _is_policy_unmanaged(spec) else {}),
    }
    namespace = k8s.core.v1.EnvVarArgs(
        name="POD_NAMESPACE",
        value_from=k8s.core.v1.EnvVarSourceArgs(
            # With the version that it would have by default: the API server compares a field reference as a whole.
            field_ref=k8s.core.v1.ObjectFieldSelectorArgs(api_version="v1", field_path="metadata.namespace")
        ),
    )
    return k8s.core.v1.ContainerArgs(
        name=SIDECAR_CONTAINER,
        image=spec.api_key.manager_image,
        image_pull_policy="IfNotPresent",
        env=[
            namespace,
            *(k8s.core.v1.EnvVarArgs(name=name, value=value) for name, value in settings.items()),
        ],
        ports=[_container_port("sidecar", names.SIDECAR_HEALTH_PORT)],
        readiness_probe=_sidecar_probe("/readyz", period_seconds=2, failure_threshold=3),
        liveness_probe=_sidecar_probe("/healthz", period_seconds=10, failure_threshold=6),
        resources=k8s.core.v1.ResourceRequirementsArgs(
            requests={"cpu": "10m", "memory": "32Mi"}, limits={"memory": "96Mi"}
        ),
        security_context=_security_context(),
        termination_message_policy="FallbackToLogsOnError",
        volume_mounts=[_mount(SOCKET, SOCKET_DIRECTORY), _mount(TOKEN, _TOKEN_DIRECTORY, read_only=True)],
    )


def _is_policy_unmanaged(spec: HeadscaleArgs) -> bool:
    """Return whether the policy in the database is stored by others, if by anybody: the stack declares none.

    Only then there is a variable: an instance with a declared policy keeps its pod.
    """
    return spec.config.policy.mode == "database" and spec.policy is None


def secret_variable(path: tuple[str, ...], secret: pulumi.Input[str], key: pulumi.Input[str]) -> k8s.core.v1.EnvVarArgs:
    """Return the variable by which a secret of the configuration reaches Headscale (viper: `HEADSCALE_A_B`)."""
    return k8s.core.v1.EnvVarArgs(
        name="_".join(("HEADSCALE", *path)).upper(),
        value_from=k8s.core.v1.EnvVarSourceArgs(secret_key_ref=k8s.core.v1.SecretKeySelectorArgs(name=secret, key=key)),
    )


def secret_environment(
    leaves: Mapping[tuple[str, ...], Any], ours: pulumi.Input[str] | None = None
) -> list[k8s.core.v1.EnvVarArgs]:
    """Return the variables for all secrets of the configuration.

    Args:
        leaves: The secrets by path: references to people's own Secrets, and values that a program gave.
        ours: Name of the Secret that holds the given values under their dotted paths; None where there are none.
    """
    variables = []
    for path, value in leaves.items():
        if is_secret_reference(value):
            reference = value["secretKeyRef"]
            variables.append(secret_variable(path, reference["name"], reference["key"]))
        elif ours is not None:
            variables.append(secret_variable(path, ours, ".".join(path)))
    return variables


def _container_port(name: str, number: int) -> k8s.core.v1.ContainerPortArgs:
    protocol = "UDP" if name == names.STUN_PORT_NAME else "TCP"
    return k8s.core.v1.ContainerPortArgs(name=name, container_port=number, protocol=protocol)


def _health(spec: HeadscaleArgs, *, period_seconds: int, failure_threshold: int) -> k8s.core.v1.ProbeArgs:
    if spec.config.tls_letsencrypt_hostname:
        # A certificate by ACME is only shown to who asks for its name, and kubelet asks for an address.
        return k8s.core.v1.ProbeArgs(
            tcp_socket=k8s.core.v1.TCPSocketActionArgs(port=names.HTTP_PORT_NAME),
            period_seconds=period_seconds,
            timeout_seconds=5,
            failure_threshold=failure_threshold,
        )
    return k8s.core.v1.ProbeArgs(
        http_get=k8s.core.v1.HTTPGetActionArgs(
            path="/health", port=names.HTTP_PORT_NAME, scheme="HTTPS" if spec.config.serves_tls else "HTTP"
        ),
        period_seconds=period_seconds,
        timeout_seconds=5,
        failure_threshold=failure_threshold,
    )


def _sidecar_probe(path: str, *, period_seconds: int, failure_threshold: int) -> k8s.core.v1.ProbeArgs:
    return k8s.core.v1.ProbeArgs(
        http_get=k8s.core.v1.HTTPGetActionArgs(path=path, port="sidecar"),
        period_seconds=period_seconds,
        timeout_seconds=5,
        failure_threshold=failure_threshold,
    )


def _mount(volume: str, directory: str, *, read_only: bool = False) -> k8s.core.v1.VolumeMountArgs:
    return k8s.core.v1.VolumeMountArgs(name=volume, mount_path=directory, read_only=read_only or None)


def _security_context() -> k8s.core.v1.SecurityContextArgs:
    return k8s.core.v1.SecurityContextArgs(
        allow_privilege_escalation=False,
        read_only_root_filesystem=True,
        capabilities=k8s.core.v1.CapabilitiesArgs(drop=["ALL"]),
    )
