"""The sidecar is killed, with the process that replaces the key, before and after every request that it makes of
Kubernetes; between two of them lies each of its steps. Then come all other faults.
"""

import base64
import contextlib
import subprocess
import time
from datetime import UTC, datetime, timedelta

import pytest

from headscale_core import api_key_prefix
from headscale_sidecar import headscale as sidecars_headscale
from tests.integration.conftest import free_port, running
from tests.integration.sidecars import Sidecar, eventually, prefixes


def test_sidecar_killed_anywhere_ends_with_one_valid_key(headscale, api_server, make_sidecar):
    killed = 0
    for moment in ("before", "after"):
        for request in range(1, 20):
            sidecar = make_sidecar()
            begun = api_server.requests

            def strike(sidecar=sidecar, begun=begun, request=request):
                if api_server.requests - begun == request:
                    sidecar.kill()

            api_server.secret, api_server.claim = None, {}
            with headscale.client() as client:
                for prefix in prefixes(headscale):
                    client.delete_api_key(prefix)
            setattr(api_server, moment, strike)
            sidecar.start()
            eventually("neither killed nor ready", lambda s=sidecar: s.process.poll() is not None or s.says("/readyz"))
            setattr(api_server, moment, lambda: None)
            if sidecar.process.poll() is None:
                sidecar.kill()
                sidecar.process.wait()
                break
            killed += 1
            again = make_sidecar()
            again.start()
            eventually("the next one is ready", lambda s=again: s.says("/readyz"))
            again.kill()
            again.process.wait()
            assert prefixes(headscale) == [api_key_prefix(api_server.key())], (moment, request)
            assert headscale.opens(api_server.key())
    assert killed >= 10


FAULTS = {
    "forbidden": (403, {"message": "secrets is forbidden"}),
    "broken": (500, {"message": "etcd is away"}),
    "nonsense": (200, "nonsense"),
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_failing_api_server_creates_no_keys_and_recovers(headscale, api_server, make_sidecar, fault):
    api_server.answer_with = fault
    sidecar = make_sidecar()
    sidecar.start()

    eventually("counted", lambda: "headscale_sidecar_failures_total{" in sidecar.says("/metrics"))
    asked = api_server.requests
    time.sleep(2)

    assert api_server.requests - asked <= 6
    assert prefixes(headscale) == []
    assert sidecar.says("/healthz")
    assert not sidecar.says("/readyz")
    api_server.answer_with = None
    eventually("ready again", lambda: sidecar.says("/readyz"))
    assert prefixes(headscale) == [api_key_prefix(api_server.key())]


def test_unavailable_headscale_is_reported_in_event_and_survived(headscale, api_server, make_sidecar):
    headscale.stop()
    sidecar = make_sidecar()
    sidecar.start()
    event = eventually("an Event", lambda: api_server.events[:1])[0]
    headscale.start()

    eventually("ready", lambda: sidecar.says("/readyz"))
    assert event["involvedObject"]["kind"] == "StatefulSet"
    assert (event["type"], event["reason"]) == ("Warning", "Unreachable")
    assert prefixes(headscale) == [api_key_prefix(api_server.key())]


def test_full_disk_creates_no_keys_and_is_survived(tmp_path, api_server, certificate):
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", disk], check=True)
    try:
        with running("0.28", disk) as headscale:
            with contextlib.suppress(OSError), (disk / "filler").open("wb") as filler:
                while True:
                    filler.write(b"x" * 4096)
                    filler.flush()
            sidecar = Sidecar(headscale, api_server, certificate)
            sidecar.log = tmp_path / "sidecar.log"
            sidecar.start()
            try:
                eventually("counted", lambda: "headscale_sidecar_failures_total{" in sidecar.says("/metrics"))
                assert not sidecar.says("/readyz")
                (disk / "filler").unlink()
                eventually("ready", lambda: sidecar.says("/readyz"), seconds=30)
                assert prefixes(headscale) == [api_key_prefix(api_server.key())]
            finally:
                sidecar.kill()
                sidecar.process.wait()
    finally:
        subprocess.run(["umount", "-l", disk], check=True)


def test_unknown_key_is_rotated_within_a_minute(headscale, api_server, make_sidecar):
    """A restored database, a new volume."""
    sidecar = make_sidecar()
    sidecar.start()
    eventually("ready", lambda: sidecar.says("/readyz"))
    first = api_server.key()
    headscale.cli("apikeys", "delete", "--prefix", api_key_prefix(first), "--force")
    begun = time.monotonic()

    eventually("replaced", lambda: api_server.key() != first, seconds=60)

    assert time.monotonic() - begun < 60
    eventually("one key", lambda: prefixes(headscale) == [api_key_prefix(api_server.key())])


def test_secret_deleted_with_sidecar_leaves_no_orphaned_key(headscale, api_server, make_sidecar):
    """By hand, or with the instance when that is destroyed and its data is kept: the claim tells."""
    for number in range(3):
        sidecar = make_sidecar(OVERLAP="2s", SECRET_NAME=f"key-{number}")
        sidecar.start()
        eventually("ready", lambda s=sidecar: s.says("/readyz"))
        sidecar.kill()
        sidecar.process.wait()
        api_server.secrets.clear()
    sidecar = make_sidecar(OVERLAP="2s")
    sidecar.start()
    eventually("ready", lambda: sidecar.says("/readyz"))

    eventually("one key", lambda: prefixes(headscale) == [api_key_prefix(api_server.key())])
    assert "hskey" not in str(api_server.claim)


def a_ready_one(make_sidecar, **settings):
    sidecar = make_sidecar(**settings)
    sidecar.start()
    eventually("ready", lambda: sidecar.says("/readyz"))
    sidecar.kill()
    sidecar.process.wait()


def test_renamed_back_secret_leaves_no_key_behind(headscale, api_server, make_sidecar):
    for name in ("key", "other", "key"):
        a_ready_one(make_sidecar, SECRET_NAME=name)

    sidecar = make_sidecar()
    sidecar.start()
    eventually("one key", lambda: prefixes(headscale) == [api_key_prefix(api_server.key())])
    assert "other" in api_server.secrets


def test_restored_secret_does_not_hide_newer_key(headscale, api_server, make_sidecar):
    a_ready_one(make_sidecar)
    backup = api_server.secret
    api_server.secret = None
    a_ready_one(make_sidecar)
    assert api_server.secret != backup
    api_server.secret = backup

    sidecar = make_sidecar()
    sidecar.start()
    eventually("one key", lambda: prefixes(headscale) == [api_key_prefix(api_server.key())])


def test_old_secret_is_copied_to_the_pvc_annotation(headscale, api_server, make_sidecar):
    a_ready_one(make_sidecar)
    api_server.claim.clear()
    a_ready_one(make_sidecar)
    api_server.secret = None

    sidecar = make_sidecar()
    sidecar.start()
    eventually("one key", lambda: prefixes(headscale) == [api_key_prefix(api_server.key())])


def test_secret_without_text_is_repaired(headscale, api_server, make_sidecar):
    sidecar = make_sidecar()
    sidecar.start()
    eventually("ready", lambda: sidecar.says("/readyz"))
    sidecar.kill()
    sidecar.process.wait()
    api_server.secret["data"]["api-key"] = base64.b64encode(b"\xff\xfe").decode()
    again = make_sidecar()
    again.start()

    eventually("ready", lambda: again.says("/readyz"))
    assert prefixes(headscale) == [api_key_prefix(api_server.key())]


def test_acme_certificate_is_requested_by_server_name(tmp_path, certificate):
    """Headscale shows it to nobody else: not to kubelet's probes, nor to who asks for 127.0.0.1."""
    name, cache = "vpn.example.com", tmp_path / "cache"
    cache.mkdir()
    kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]
    command = ["openssl", "req", "-x509", *kind, "-nodes", "-days", "2", "-subj", f"/CN={name}"]
    files = ["-addext", f"subjectAltName=DNS:{name}", "-keyout", tmp_path / "key", "-out", tmp_path / "crt"]
    subprocess.run([*command, *files], check=True, capture_output=True)
    # As autocert keeps what it got before.
    (cache / name).write_text((tmp_path / "key").read_text() + (tmp_path / "crt").read_text())
    acme = {"tls_letsencrypt_hostname": name, "tls_letsencrypt_cache_dir": str(cache), "server_url": f"https://{name}"}
    listen = f"127.0.0.1:{free_port()}"
    with running("0.28", tmp_path, tls_letsencrypt_listen=listen, **acme) as server:
        with server.client() as client:
            key = client.create_api_key(datetime.now(UTC) + timedelta(hours=1))
        url = f"https://127.0.0.1:{server.http_port}"

        assert sidecars_headscale.is_api_key_valid(url, key, name)
        with pytest.raises(sidecars_headscale.HeadscaleUnavailable, match="does not answer"):
            sidecars_headscale.is_api_key_valid(url, key)


def test_rotations_fail_no_consumer_and_leave_one_key(headscale, api_server, make_sidecar):
    sidecar = make_sidecar(EXPIRATION="3s", ROTATION_BUFFER="2500ms", OVERLAP="1s")
    sidecar.start()
    eventually("a key", lambda: sidecar.says("/readyz"))
    seen, failed = set(), []

    def twenty():
        key = api_server.key()
        time.sleep(0.02)
        seen.add(key)
        if not headscale.opens(key):
            failed.append(key)
        return len(seen) > 20

    eventually("twenty rotations", twenty, seconds=60)
    assert failed == []
    assert sidecar.log.read_text().count('"failed"') == 0
    assert not any(key in sidecar.log.read_text() for key in seen)
