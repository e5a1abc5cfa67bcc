"""When the sidecar calls itself ready, and what its log, Events, metrics and answers say: never a key."""

from datetime import UTC, datetime, timedelta
from typing import cast

import pytest

from headscale_core import HeadscaleClient
from headscale_core.keys import annotations
from headscale_core.keys.api_key import rotate
from headscale_core.keys.api_key_secret import issued_in
from headscale_core.keys.secrets import StoredSecret
from headscale_sidecar.controller import ApiKeyController
from headscale_sidecar.headscale import RotationError
from headscale_sidecar.health import Health
from tests.builders import desired_api_key
from tests.fakes.memory import MemoryStore

NOW = datetime(2026, 1, 1, tzinfo=UTC)
KEY = "hskey-api-" + "a" * 12 + "-" + "b" * 64
DESIRED = desired_api_key(expiration="2160h", rotation_buffer="240h")


class Headscale:
    """Takes the one key that it makes."""

    def create_api_key(self, _expiration):
        return KEY

    def list_api_keys(self):
        return []


class Scene:
    """A controller whose Headscale, Secret and clock a test changes, with all that it says."""

    def __init__(self):
        self.store, self.now, self.is_valid = MemoryStore(), NOW, True
        self.events: list[tuple] = []
        self.rotate()
        self.controller = ApiKeyController(
            deny_all=lambda: False,
            is_valid=self.accepts,
            rotate=self.rotate,
            store=self.store,
            desired=DESIRED,
            health=Health(),
            now=lambda: self.now,
            log=lambda event, **fields: self.events.append((event, fields)),
            report=lambda kind, message: self.events.append((kind, message)),
        )

    def accepts(self, _key):
        if isinstance(self.is_valid, Exception):
            raise self.is_valid
        return self.is_valid

    def rotate(self):
        return rotate(cast("HeadscaleClient", Headscale()), self.store, DESIRED, self.now).prefix

    def issued(self):
        """Return the key of the Secret, whatever a test makes of reading it."""
        (secret,) = self.store.secrets.values()
        issued = issued_in(secret)
        assert issued
        return issued

    def change_secret(self, change):
        ((place, secret),) = self.store.secrets.items()
        self.store.secrets[place] = change(secret)

    def answers(self):
        self.controller.reconcile_once()
        return self.controller.health.answer("/readyz")


@pytest.fixture
def scene():
    return Scene()


def unreachable(*_):
    raise OSError("no route to host")


def test_working_key_is_ready(scene):
    assert scene.answers() == (200, "ok\n")
    assert scene.controller.health.expires_at == scene.issued().expires_at.timestamp()


def test_expired_key_is_unready_while_kubernetes_is_away(scene):
    scene.controller.reconcile_once()
    scene.store.read = unreachable
    scene.now = NOW + timedelta(days=89)
    assert scene.answers() == (200, "ok\n")

    scene.now = NOW + timedelta(days=91)

    assert scene.answers() == (503, "not ready: no route to host\n")


def test_unclear_answer_of_headscale_starts_unready(scene):
    scene.is_valid = OSError("Headscale does not answer")

    assert scene.answers() == (503, "not ready: Headscale does not answer\n")


def test_invalid_new_key_is_not_ready(scene):
    scene.is_valid = False
    scene.controller.rotate = lambda: "another"

    assert scene.answers() == (503, "not ready: Headscale rejects the key that it just created\n")


def test_missing_secret_after_rotation_is_not_ready(scene):
    scene.store.secrets.clear()
    scene.controller.rotate = lambda: "another"

    assert scene.answers() == (503, "not ready: the Secret changed while it was written\n")


def test_clean_up_counts_as_no_rotation(scene):
    pending = {annotations.PENDING: NOW.isoformat()}
    scene.change_secret(lambda secret: StoredSecret(secret.data, {**secret.annotations, **pending}))
    scene.controller.rotate = lambda: scene.issued().prefix

    assert scene.answers() == (200, "ok\n")
    assert scene.controller.health.rotations == 0
    assert scene.events[0][0] == "cleaned up"


def test_metrics_follow_the_key(scene):
    scene.store.secrets.clear()
    scene.controller.reconcile_once()
    scene.store.read = unreachable
    scene.controller.reconcile_once()

    _, text = scene.controller.health.answer("/metrics")
    expiry = scene.issued().expires_at.timestamp()
    assert "headscale_sidecar_ready 1\n" in text
    assert "headscale_sidecar_rotations_total 1\n" in text
    assert f"headscale_sidecar_api_key_expiry_timestamp_seconds {expiry:.0f}\n" in text
    assert 'headscale_sidecar_failures_total{reason="OSError"} 1\n' in text


def repeat_the_key(scene):
    """Have what fails repeat the key, as an admission webhook does with the Secret that it refuses."""

    def fail(*_):
        raise RotationError("KubernetesError", f"Secret ns/key cannot be written: {KEY} is not allowed")

    scene.controller.rotate = fail


SCENES = {
    "a first key": lambda scene: scene.store.secrets.clear(),
    "a due key": lambda scene: setattr(scene, "now", NOW + timedelta(days=85)),
    "an unknown key": lambda scene: setattr(scene, "is_valid", False),
    "a failed check": lambda scene: setattr(scene, "is_valid", OSError(f"Bearer {KEY} was refused")),
    "a failed rotation": lambda scene: (scene.store.secrets.clear(), repeat_the_key(scene)),
}


@pytest.mark.parametrize("change", SCENES.values(), ids=SCENES)
def test_key_is_in_no_log_or_report(scene, change):
    scene.controller.reconcile_once()
    change(scene)
    for _ in range(2):
        scene.controller.reconcile_once()

    health = scene.controller.health
    events = [
        str(scene.events),
        repr(health),
        *(health.answer(path)[1] for path in ("/readyz", "/healthz", "/metrics")),
    ]
    assert len(scene.events) > 1
    assert not [text for text in events if KEY in text or "b" * 64 in text]
