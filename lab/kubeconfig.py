"""Check that the user's KUBECONFIG leads to a cluster in which the stack may be deployed."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from lab import tools
from lab.progress import LabError
from lab.state import kubeconfig, kubeconfig_files

_SECONDS = 15
_REFUSED = ("Unauthorized", "provide credentials", "must be logged in")
_PROMPTS = ("Please enter Username", "EOF")


def check_access() -> str:
    """Return the current context when its user may deploy the stack.

    Raises:
        LabError: When there is no file, no current context, an unknown context, no answer, or no rights.
    """
    context = current_context(kubeconfig_files())
    # kubectl asks a user without credentials for a name on stdin, without end.
    run = subprocess.run(
        [str(tools.path("kubectl")), "auth", "can-i", "create", "namespaces", f"--request-timeout={_SECONDS}s"],
        env=environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if fault := access_fault(run.stdout, run.stderr):
        raise LabError(f"context `{context}` of KUBECONFIG={kubeconfig()}: {fault}", "try `kubectl get namespaces`")
    return context


def environment() -> dict[str, str]:
    """Return this process's environment with the kubeconfig in use: a list of paths is not valid as a flag."""
    return {**os.environ, "KUBECONFIG": str(kubeconfig())}


def access_fault(stdout: str, stderr: str) -> str:
    """Return why a context's user may not create a namespace; empty if allowed.

    Args:
        stdout: What `kubectl auth can-i create namespaces` printed.
        stderr: Its errors.
    """
    answer = stdout.strip().partition(" ")[0]
    if answer == "yes":
        return ""
    if answer == "no":
        return "its user may not create namespaces"
    if any(word in stderr for word in _REFUSED):
        return "the cluster refuses its user's credentials"
    if any(word in stdout + stderr for word in _PROMPTS):
        return "its user has no credentials"
    lines = stderr.strip().splitlines()
    return f"the cluster does not answer: {lines[-1] if lines else 'kubectl printed nothing'}"


def current_context(files: Sequence[Path]) -> str:
    """Return the current context of kubeconfigs that are merged as kubectl does: the first value wins.

    Source: https://kubernetes.io/docs/concepts/configuration/organize-cluster-access-kubeconfig/

    Args:
        files: The files of KUBECONFIG, in order; those that are not there are skipped.

    Raises:
        LabError: When there is no current context, or no context of that name.
    """
    named = ":".join(map(str, files))
    documents = [_read(file) for file in files if file.exists()]
    if not documents:
        raise LabError(f"KUBECONFIG={named}: there is no such file", "set it to your cluster's kubeconfig, or unset it")
    contexts = [str(context.get("name")) for document in documents for context in document.get("contexts") or []]
    known = f"it has {', '.join(f'`{name}`' for name in dict.fromkeys(contexts))}" if contexts else "it has none"
    current = next((value for document in documents if (value := document.get("current-context"))), "")
    if not current:
        raise LabError(f"KUBECONFIG={named} has no current-context", f"run `kubectl config use-context NAME`; {known}")
    if current not in contexts:
        raise LabError(
            f"KUBECONFIG={named}: the current-context `{current}` is not among its contexts",
            f"run `kubectl config use-context NAME`; {known}",
        )
    return str(current)


def _read(file: Path) -> Mapping[str, Any]:
    try:
        document = yaml.safe_load(file.read_text())
    except OSError as error:
        raise LabError(f"KUBECONFIG: {file} cannot be read: {error.strerror}") from None
    except (yaml.YAMLError, ValueError):
        document = None
    if not isinstance(document, Mapping) or not isinstance(document.get("contexts") or [], list):
        raise LabError(f"KUBECONFIG: {file} is not a kubeconfig")
    return document
