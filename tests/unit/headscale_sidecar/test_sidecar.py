"""The sidecar's loop and settings, without Headscale and Kubernetes."""

import base64
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from headscale_core.keys.api_key_secret import DesiredApiKey, secret_for
from headscale_sidecar import headscale, health
from headscale_sidecar.controller import ApiKeyController, error_text
from headscale_sidecar.headscale import DenyAllError, RotationError
from headscale_sidecar.settings import SettingsError, settings_from

NOW = datetime(2026, 1, 1, tzinfo=UTC)
PLAIN = DesiredApiKey("ns", "s", timedelta(days=90), timedelta(days=10))
KEY = "hskey-api-" + "a" * 12 + "-" + "b" * 64


class Store:
    def __init__(self, secret=None, error=None):
        self.secret, self.error = secret, error

    def read(self, namespace, name):
        if self.error:
            raise self.error
        return self.secret


def a_controller(store, *, works=True, replaced_with=None, deny_all=lambda: False):
    events, replacements = [], []
    answers = iter(works) if isinstance(works, list) else None

    def rotate():
        replacements.append(1)
        store.secret = replaced_with
        return "prefix"

    controller = ApiKeyController(
        deny_all=deny_all,
        is_valid=lambda key: next(answers) if answers else works,
        rotate=rotate,
        store=store,
        desired=PLAIN,
        health=health.Health(),
        now=lambda: NOW,
        log=lambda event, **fields: events.append((event, fields)),
        report=lambda kind, message: events.append(("Event", {"kind": kind, "message": message})),
    )
    return controller, events, replacements


def a_secret(days_left=50, **marks):
    secret = secret_for(KEY, NOW + timedelta(days=days_left), NOW, PLAIN, {})
    return type(secret)(secret.data, {**secret.annotations, **marks})


REASONS = {
    "no Secret": (None, True, "there is no Secret"),
    "an edited Secret": (
        a_secret(**{"headscale-component/key-sha256": "x"}),
        True,
        "the Secret is not as it was written",
    ),
    "a key that ends soon": (a_secret(days_left=9), True, "rotation is due"),
    "a killed run": (
        a_secret(**{"headscale-component/pending-expiration": NOW.isoformat()}),
        True,
        "a replaced key is to be revoked, or an earlier run was interrupted",
    ),
    "a key that does not work": (a_secret(), [False, True], "Headscale does not know the key"),
}


@pytest.mark.parametrize(("secret", "works", "reason"), REASONS.values(), ids=REASONS)
def test_invalid_key_is_rotated_with_a_logged_reason(secret, works, reason):
    controller, events, replacements = a_controller(Store(secret), works=works, replaced_with=a_secret(90))

    controller.reconcile_once()

    assert len(replacements) == 1
    assert events[0] == ("created an API key", {"reason": reason, "prefix": "prefix"})
    assert controller.health.ready


def test_reconcile_keeps_a_valid_key():
    controller, _, replacements = a_controller(Store(a_secret()))

    pause = controller.reconcile_once()

    assert (replacements, controller.health.ready) == ([], True)
    assert 20 < pause < 40


def test_reconcile_runs_when_rotation_is_due():
    secret = secret_for(KEY, NOW + timedelta(days=10, seconds=3), NOW, PLAIN, {})
    controller, *_ = a_controller(Store(secret))

    assert 2.9 < controller.reconcile_once() < 3.2


def test_failures_back_off_and_create_no_key():
    """The seed operator's B5: it span, and made a key each time round."""
    controller, events, replacements = a_controller(Store(error=OSError("gone")))

    pauses = [controller.reconcile_once() for _ in range(10)]

    assert replacements == []
    assert pauses[0] >= 0.5
    assert 30 <= pauses[-1] <= 60
    assert [event for event, _ in events] == ["failed", "Event"], "one for a change of state, not for every try"
    assert controller.health.failures == {"OSError": 10}
    assert controller.health.answer("/readyz")[0] == 503


def test_headscale_that_rejects_new_keys_is_backed_off():
    controller, events, replacements = a_controller(
        Store(a_secret()), works=False, replaced_with=a_secret(90, other="x")
    )
    controller.rotate = lambda: replacements.append(1) or "another"

    pauses = [controller.reconcile_once() for _ in range(8)]

    assert pauses[-1] >= 30
    assert controller.health.failures == {"RuntimeError": 8}
    assert not controller.health.ready
    assert [event for event, _ in events].count("Event") == 1


def test_reconcile_runs_when_a_revocation_is_due():
    waiting = secret_for(KEY, NOW + timedelta(days=50), NOW, PLAIN, {"old": NOW + timedelta(seconds=3)})
    controller, _, replacements = a_controller(Store(waiting))

    assert 2.9 < controller.reconcile_once() < 3.2
    assert replacements == [], "it is not its time yet"


@pytest.mark.parametrize("jump", [timedelta(days=400), timedelta(days=-400)], ids=["forward", "back"])
def test_clock_jump_creates_one_key_at_most(jump):
    store = Store(a_secret())
    controller, _, replacements = a_controller(store)
    controller.reconcile_once()
    controller.now = lambda: NOW + jump
    store_after = secret_for(KEY, NOW + jump + timedelta(days=90), NOW + jump, PLAIN, {})
    controller.rotate = lambda: setattr(store, "secret", store_after) or replacements.append(1) or "p"

    pauses = [controller.reconcile_once() for _ in range(5)]

    assert len(replacements) == (1 if jump > timedelta(0) else 0)
    assert min(pauses) > 20


def test_valid_key_keeps_pod_ready_without_kubernetes():
    store = Store(a_secret())
    controller, *_ = a_controller(store)
    controller.reconcile_once()
    store.error = OSError("gone")

    controller.reconcile_once()

    assert controller.health.answer("/readyz")[0] == 200


LOST = {
    "vanished": (None, True),
    "edited": (a_secret(**{"headscale-component/key-sha256": "x"}), True),
    "unknown to Headscale": (a_secret(), False),
}


@pytest.mark.parametrize(("secret", "works"), LOST.values(), ids=LOST)
def test_lost_key_without_replacement_is_not_ready(secret, works):
    store = Store(a_secret())
    controller, events, _ = a_controller(store, works=[True, *[works] * 5])
    controller.reconcile_once()
    assert controller.health.ready
    store.secret = secret
    controller.rotate = unable

    for _ in range(3):
        controller.reconcile_once()

    assert controller.health.answer("/readyz") == (503, "not ready: the network is away\n")
    assert [event for event, _ in events].count("Event") == 1


def unable():
    raise OSError("the network is away")


def test_wrong_settings_are_reported_at_once():
    with pytest.raises(SettingsError) as caught:
        settings_from({"EXPIRATION": "soon", "RELAY_LISTEN": "nowhere"})

    for name in ("POD_NAMESPACE", "INSTANCE", "SECRET_NAME", "EXPIRATION", "RELAY_LISTEN"):
        assert name in str(caught.value)


def test_buffer_not_below_expiration_is_refused():
    variables = {"POD_NAMESPACE": "a", "INSTANCE": "b", "SECRET_NAME": "c", "EXPIRATION": "1h", "ROTATION_BUFFER": "1h"}

    with pytest.raises(SettingsError, match="must be below EXPIRATION"):
        settings_from(variables)


ADDRESSES = {
    ":8081": ("", 8081),
    "0.0.0.0:8081": ("0.0.0.0", 8081),
    "[::]:8081": ("::", 8081),
    "[fd00::1]:8081": ("fd00::1", 8081),
    "localhost:1": ("localhost", 1),
}
ENVIRONMENT = {"POD_NAMESPACE": "a", "INSTANCE": "b", "SECRET_NAME": "c"}


@pytest.mark.parametrize(("text", "address"), ADDRESSES.items())
def test_addresses_of_both_families_are_read(text, address):
    assert settings_from({**ENVIRONMENT, "HEALTH_LISTEN": text}).health_listen == address


@pytest.mark.parametrize("text", ["", "8081", ":", ":0", ":65536", ":²", "::8081", "fd00::1:8081", "[a]:1", "[::]"])
def test_what_is_no_address_is_refused(text):
    with pytest.raises(SettingsError, match=r"^HEALTH_LISTEN: .* is no address; write"):
        settings_from({**ENVIRONMENT, "HEALTH_LISTEN": text})


@pytest.mark.parametrize("text", [":50480", "0.0.0.0:50480", "[::]:50480", "10.0.0.1:50480"])
def test_relay_off_loopback_is_refused(text):
    with pytest.raises(SettingsError, match="is not loopback"):
        settings_from({**ENVIRONMENT, "RELAY_LISTEN": text})


@pytest.mark.parametrize("shown", [KEY, base64.b64encode(KEY.encode()).decode()], ids=["in clear", "in base64"])
def test_reported_reason_never_holds_a_key(shown):
    controller, events, _ = a_controller(Store(error=OSError(f'denied:\n {{"api-key": "{shown}"}} is not allowed')))

    controller.reconcile_once()

    assert controller.health.answer("/readyz")[1] == 'not ready: denied: {"api-key": "(key)"} is not allowed\n'
    assert shown not in str(events)


def test_reported_reason_is_one_short_line():
    assert error_text(ValueError("a\nb" + "x" * 5000)) == "a b" + "x" * 997
    assert error_text(ValueError()) == "ValueError"


def test_failure_counts_are_replaced_not_changed():
    controller, *_ = a_controller(Store(error=OSError("gone")))
    read = controller.health.failures

    controller.reconcile_once()

    assert (read, controller.health.failures) == ({}, {"OSError": 1})


RUNS = {
    "KubernetesError: Secret ns/key cannot be written: no": ("KubernetesError", "Secret ns/key cannot be written: no"),
    "Traceback …\nImportError: no module": ("ImportError", "no module"),
    'a "fault": with a colon': ("RotationError", 'replacing the key ended with code 1: a "fault": with a colon'),
    "": ("RotationError", "replacing the key ended with code 1"),
}


@pytest.mark.parametrize(("stderr", "error"), RUNS.items())
def test_failed_rotation_raises_its_error(monkeypatch, tmp_path, stderr, error):
    program = tmp_path / "python"
    program.write_text(f"#!/bin/sh\ncat >&2 <<'END'\n{stderr}\nEND\nexit 1\n")
    program.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(program))

    with pytest.raises(RotationError) as caught:
        headscale.run_rotation()

    assert (caught.value.kind, str(caught.value)) == error


def test_sidecar_process_loads_nothing_heavy():
    """40 MB are its budget; gRPC comes and goes with the process that replaces the key."""
    heavy = ("grpc", "google.protobuf", "pulumi", "pydantic", "kr8s", "yaml", "asyncio")
    program = f"import sys, headscale_sidecar.__main__; print([m for m in {heavy} if m in sys.modules])"

    loaded = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=Path(__file__).parents[3]
    )

    assert loaded.stdout.strip() == "[]"


@pytest.mark.parametrize("value", ["yes", "True", "1", ""])
def test_unclear_word_about_open_tailnets_is_refused(value):
    with pytest.raises(SettingsError, match=f"OPEN_WITHOUT_POLICY: `{value}` is neither `true` nor `false`"):
        settings_from({**ENVIRONMENT, "OPEN_WITHOUT_POLICY": value})


@pytest.mark.parametrize(
    ("settings", "denies"),
    [({}, True), ({"OPEN_WITHOUT_POLICY": "false"}, True), ({"OPEN_WITHOUT_POLICY": "true"}, False)],
)
def test_headscale_without_policy_is_closed_by_default(settings, denies):
    assert settings_from({**ENVIRONMENT, **settings}).denies_without_policy is denies


def test_policy_is_ensured_once_and_before_the_key():
    calls: list[str] = []

    class Recorded(Store):
        def read(self, namespace, name):
            calls.append("Secret")
            return super().read(namespace, name)

    def deny_all():
        calls.append("policy")
        return True

    controller, events, _ = a_controller(Recorded(a_secret()), deny_all=deny_all)

    controller.reconcile_once()
    controller.reconcile_once()

    assert calls == ["policy", "Secret", "Secret"]
    assert events[0] == ("stored a policy that denies everything", {"reason": "Headscale has none"})


def test_sidecar_is_unready_until_headscale_has_a_policy():
    outcomes = iter([DenyAllError("ServerFault", "database is locked"), None])
    controller, events, replacements = a_controller(Store(a_secret()), deny_all=lambda: raise_or_pass(next(outcomes)))

    assert 0.5 <= controller.reconcile_once() <= 1
    assert controller.health.answer("/readyz") == (503, "not ready: database is locked\n")
    assert events[1] == ("Event", {"kind": "ServerFault", "message": "database is locked"})
    controller.reconcile_once()

    assert controller.health.answer("/readyz") == (200, "ok\n")
    assert (controller.health.failures, replacements) == ({"ServerFault": 1}, [])


def raise_or_pass(error):
    if error:
        raise error
    return False


@pytest.mark.parametrize(("kind", "shortest", "longest"), [("Unreachable", 0.5, 1), ("ServerFault", 30, 60)])
def test_late_headscale_is_retried_without_long_backoff(kind, shortest, longest):
    """It is open from the moment at which it listens; the failed call has waited for that already."""
    controller, *_ = a_controller(Store(a_secret()), deny_all=lambda: raise_or_pass(DenyAllError(kind, "no")))

    pauses = [controller.reconcile_once() for _ in range(10)]

    assert shortest <= pauses[-1] <= longest


def test_unreachable_headscale_with_a_policy_is_backed_off():
    controller, *_ = a_controller(Store(error=RotationError("Unreachable", "no")))

    assert 30 <= [controller.reconcile_once() for _ in range(10)][-1] <= 60


def test_failed_policy_process_raises_its_error(monkeypatch, tmp_path):
    program = tmp_path / "python"
    program.write_text("#!/bin/sh\necho 'Unreachable: GetPolicy found nobody' >&2\nexit 1\n")
    program.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(program))

    with pytest.raises(DenyAllError) as caught:
        headscale.deny_all_without_policy()

    assert (caught.value.kind, str(caught.value)) == ("Unreachable", "GetPolicy found nobody")


@pytest.mark.parametrize(("stdout", "stored"), [("stored", True), ("", False)])
def test_policy_process_reports_whether_it_stored(monkeypatch, tmp_path, stdout, stored):
    program = tmp_path / "python"
    program.write_text(f"#!/bin/sh\nprintf '{stdout}'\n")
    program.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(program))

    assert headscale.deny_all_without_policy() is stored
