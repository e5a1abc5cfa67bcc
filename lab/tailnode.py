"""A real Tailscale node without a network device: `tailscaled` with userspace networking."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

from lab import tools
from lab.progress import wait_for

_JOIN_SECONDS = 30


class TailNode:
    """One node, with its state in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def socket(self) -> Path:
        """The path for `tailscale --socket`."""
        return self._folder / "s"

    def start(self) -> None:
        """Start the daemon and wait until it answers."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(self.daemon_command(), stdout=log, stderr=subprocess.STDOUT)
        self.wait()

    def wait(self) -> None:
        """Wait until the daemon answers."""
        wait_for("tailscaled", self.socket.exists, seconds=15)

    def daemon_command(self) -> list[str]:
        """Return the daemon's command: userspace networking, any free port, no log upload."""
        return [
            str(tools.path("tailscaled")),
            "--tun=userspace-networking",
            f"--statedir={self._folder}",
            f"--socket={self.socket}",
            "--port=0",
            "--no-logs-no-support",
        ]

    def up(
        self, login_server: str, auth_key: str, *, hostname: str, check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        """Join a tailnet. The key is passed in a file, because every user can list a process's arguments."""
        key_file = self._folder / "key"
        key_file.touch(mode=0o600)
        key_file.write_text(auth_key)
        try:
            return self._tailscale(
                "up",
                f"--login-server={login_server}",
                f"--auth-key=file:{key_file}",
                f"--hostname={hostname}",
                f"--timeout={_JOIN_SECONDS}s",
                check=check,
            )
        finally:
            key_file.unlink()

    def status(self) -> dict[str, Any]:
        """Return the node's status."""
        status: dict[str, Any] = json.loads(self._tailscale("status", "--json").stdout)
        return status

    def stop(self) -> None:
        """Stop the daemon; the node stays in the tailnet unless it is ephemeral."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(15)
            self._process = None

    def _tailscale(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        command = [str(tools.path("tailscale")), f"--socket={self.socket}", *arguments]
        environment = {**os.environ, "TS_NO_LOGS_NO_SUPPORT": "true"}
        return subprocess.run(command, capture_output=True, text=True, check=check, env=environment)
