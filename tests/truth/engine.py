"""What each version of Headscale says of a policy or a configuration: its own code, without a server."""

import json
import subprocess
from dataclasses import dataclass
from typing import Any

from lab import tools

VERSIONS = {"0.26": "v0.26.1", "0.27": "v0.27.1", "0.28": "v0.28.0", "0.29": "v0.29.3"}


@dataclass(frozen=True, slots=True)
class Answer:
    """What Headscale says.

    Attributes:
        error: Why it refuses; None where it takes it.
        of_nodes: Whether it would start with it, and its API refuses it for the nodes that there are: a failed test.
    """

    error: str | None
    of_nodes: bool = False


class Engine:
    """One version of Headscale; a program that reads questions and is started again where one ends it."""

    def __init__(self, version: str):
        self._command = [str(tools.path(f"judge-{version}"))]
        self._process = self._started()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._stop()

    def ask(self, question: dict[str, Any]) -> Answer:
        self._process.stdin.write(json.dumps(question) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        said = json.loads(line) if line else {"error": "ends the process: out of memory"}
        if said.get("stage") == "question":
            raise RuntimeError(f"{said['error']}: {question}")
        ended = said.get("error", "").startswith(("ends the process", "does not end"))
        if ended or (said.get("error") and question["kind"] == "config"):
            # A fatal mistake in a configuration ends the process right after the answer.
            self._stop()
            self._process = self._started()
        of_nodes = said.get("stage") == "store" and not said["error"].startswith("verifying SSH rules")
        return Answer(said.get("error"), of_nodes)

    def _started(self) -> subprocess.Popen:
        return subprocess.Popen(
            self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )

    def _stop(self):
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait()
