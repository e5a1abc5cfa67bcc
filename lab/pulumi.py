"""Pulumi's parts: the official ones if they are installed, else those built here."""

from __future__ import annotations

import os
import secrets
import shutil
from pathlib import Path

from lab import tools
from lab.launchers import write_launchers
from lab.state import BIN, STATE, kubeconfig, own_cluster

PASSPHRASE = "headscale-lab"  # noqa: S105 - of the lab alone, whose salt is in its stack file
_PERSONAL = ("PULUMI_BACKEND_URL", "PULUMI_CONFIG_PASSPHRASE", "PULUMI_CONFIG_PASSPHRASE_FILE", "PULUMI_HOME")


def is_official() -> bool:
    """Return whether engine, language host and Kubernetes provider are all installed."""
    plugins = Path(os.environ.get("PULUMI_HOME") or Path.home() / ".pulumi") / "plugins"
    provider = shutil.which("pulumi-resource-kubernetes") or any(plugins.glob("resource-kubernetes-*"))
    return bool(shutil.which("pulumi") and shutil.which("pulumi-language-python") and provider)


def describe() -> str:
    """Return a line with the parts in use."""
    if is_official():
        return f"pulumi: the official parts ({shutil.which('pulumi')})"
    return (
        f"pulumi: engine {tools.PULUMI.version} and the official Kubernetes provider "
        f"{tools.KUBERNETES_PROVIDER.version}, built here; a language host of the lab's own"
    )


def environment(engine: tools.Tool = tools.PULUMI, *, language_host: bool = True) -> dict[str, str]:
    """Return the variables with which `pulumi` works on the lab, in addition to the user's own.

    Args:
        engine: The engine on PATH. One that is not the newest is always built here, with plugins of its version.
        language_host: Whether `pulumi-language-python` is on PATH. A program of the Automation API needs none.
    """
    variables = {
        "PULUMI_BACKEND_URL": f"file://{STATE}/pulumi-state",
        "PULUMI_CONFIG_PASSPHRASE": PASSPHRASE,
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        # A state that is written at every step is compressed; an engine of 3.260 and newer keeps the old file until
        # the new one is written (https://github.com/pulumi/pulumi/issues/24383), older ones do not.
        **({"PULUMI_DIY_BACKEND_ZSTD": "true"} if engine == tools.PULUMI else {}),
        # The engine encodes the whole state at every step, and Go's collector follows: a fifth of an update of
        # 1,000 users. More memory between collections is what it costs (https://go.dev/doc/gc-guide#GOGC).
        "GOGC": os.environ.get("GOGC", "400"),
        # Steps wait for each other's writes of the state; the default of 4 for each core leaves Headscale idle.
        "PULUMI_PARALLEL": os.environ.get("PULUMI_PARALLEL", "16"),
        "KUBECONFIG": str(kubeconfig()),
    }
    if own_cluster():
        variables["PULUMI_CONFIG_PASSPHRASE"] = _own_passphrase()
        variables |= {name: os.environ[name] for name in _PERSONAL if name in os.environ}
    if variables["PULUMI_BACKEND_URL"] == f"file://{STATE}/pulumi-state":
        (STATE / "pulumi-state").mkdir(parents=True, exist_ok=True)
    if engine == tools.PULUMI and is_official():
        return variables
    folder = _folder(engine, language_host=language_host)
    write_launchers(
        folder,
        engine=tools.path(engine.name),
        kubernetes_provider=tools.path("pulumi-resource-kubernetes"),
        language_host=language_host,
    )
    return variables | {
        "PULUMI_HOME": str(STATE / "pulumi-home"),
        "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
        "PATH": f"{folder}:{os.environ.get('PATH', '')}",
    }


def _own_passphrase() -> str:
    """Return the passphrase for the state of the user's own cluster, generated once: it has keys of a real tailnet."""
    file = STATE / "passphrase"
    if not file.exists():
        STATE.mkdir(parents=True, exist_ok=True, mode=0o700)
        file.touch(mode=0o600)
        file.write_text(secrets.token_urlsafe(32))
    return file.read_text()


def _folder(engine: tools.Tool, *, language_host: bool) -> Path:
    """Return the folder for PATH; each set of programs has its own, so that none changes under a running engine."""
    name = BIN.name if engine == tools.PULUMI else f"{BIN.name}-{engine.name}"
    return BIN.with_name(name if language_host else f"{name}-no-language-host")
