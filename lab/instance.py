"""The instances of the deployed stack, by its outputs, and the addresses at which this machine reaches them."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from typing import Any

from lab import port_forward, processes
from lab.commands import STACK, kubectl, kubectl_json, run_pulumi
from lab.progress import LabError
from lab.state import own_cluster


@dataclass(frozen=True, slots=True)
class Instance:
    """One instance, by the stack's outputs."""

    name: str
    outputs: dict[str, Any]

    @property
    def namespace(self) -> str:
        """Its namespace."""
        return str(self.outputs["namespace"])

    @property
    def service(self) -> str:
        """Its Service for clients."""
        return str(self.outputs["service"])

    @property
    def server_url(self) -> str:
        """The address that it gives to nodes."""
        return str(self.outputs["serverUrl"])

    @property
    def address(self) -> str:
        """The address for this machine: the Service's on the lab's cluster, else `server_url`."""
        if own_cluster():
            return self.server_url
        service = kubectl_json("get", "service", self.service, "-n", self.namespace)
        return f"http://{service['spec']['clusterIP']}:{service['spec']['ports'][0]['port']}"

    @property
    def way(self) -> str:
        """The address for this machine and how it is reached, for messages."""
        if not own_cluster():
            return f"{self.address} (serves {self.server_url})"
        if not port_forward.is_needed(self.address):
            return self.address
        if processes.running(port_forward.NAME):
            return f"{self.address} (a port that `make join` forwards)"
        command = port_forward.command(self.namespace, self.service, self.address)
        return f"{self.address} (through `{' '.join(['kubectl', *command[1:]])}`)"

    def secret(self, name: str) -> dict[str, str]:
        """Return a Secret decoded; callers must not print it."""
        data = kubectl_json("get", "secret", name, "-n", self.namespace).get("data", {})
        return {key: base64.b64decode(value).decode() for key, value in data.items()}

    def headscale(self, *arguments: str) -> Any:  # noqa: ANN401 - headscale's JSON
        """Run the headscale command in the pod and return its JSON output."""
        out = kubectl(
            "exec",
            f"{self.name}-0",
            "-n",
            self.namespace,
            "-c",
            "headscale",
            "--",
            "headscale",
            *arguments,
            "-o",
            "json",
        )
        return json.loads(out) or []


def instances() -> list[Instance]:
    """Return the instances of the deployed stack."""
    try:
        outputs = json.loads(run_pulumi("stack", "output", "--json", "--stack", STACK))
    except LabError as error:
        outputs = {}
        if "no stack named" not in str(error):
            raise
    if not outputs:
        raise LabError("nothing is deployed", "run `make up`")
    return [Instance(name, value) for name, value in outputs.items()]
