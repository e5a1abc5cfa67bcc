"""A stack that an earlier version deployed is adopted by one `pulumi up`, and nothing in it is replaced."""

import shutil
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from headscale_component.versions import SIDECAR_IMAGE
from tests.e2e.conftest import an_instance, output_of

WHEELS = sorted((Path(__file__).parent / "released").glob("*.whl"))
NAMESPACE = "upgrade-in-place"
POLICY = {"acls": [{"action": "accept", "src": ["alice@"], "dst": ["*:*"]}], "tagOwners": {"tag:ci": ["alice@"]}}
INSTANCE = an_instance(
    NAMESPACE,
    users={"alice": {"displayName": "Alice Smith", "email": "alice@example.com"}, "bob": {}},
    preAuthKeys={
        "laptop": {"user": "alice", "expiration": "90d", "reusable": True},
        "runner": {"expiration": "720h", "reusable": True, "ephemeral": True, "tags": ["tag:ci"]},
        "phone": {"user": "bob", "secretKey": "TS_AUTHKEY", "secretLabels": {"team": "ops"}},
    },
    # The earlier component has another default: with the same image before and after, the pod stays.
    apiKey={"managerImage": SIDECAR_IMAGE},
    apiKeys={"ui": {"expiration": "90d", "rotationBuffer": "240h", "overlap": "1h"}},
    # The sidecar of this checkout runs beside the earlier component, which would treat the policy that this sidecar
    # stores in a new database as not owned.
    policy={**POLICY, "overwrite": True},
    keysOnUserDeletion="remake",
)


@pytest.fixture(scope="module", params=WHEELS, ids=lambda wheel: wheel.name)
def deployed_before(request, make_stack, cluster, tmp_path_factory):
    """A stack as the earlier version left it, for the program of this checkout; with what was in the cluster then."""
    stack = make_stack(NAMESPACE)
    earlier = tmp_path_factory.mktemp("earlier")
    zipfile.ZipFile(request.param).extractall(earlier)
    (stack.directory / "now.py").write_text((stack.directory / "__main__.py").read_text())
    program = "import headscale_api\n" + (stack.directory / "__main__.py").read_text()
    (stack.directory / "__main__.py").write_text(program)
    stack.declare(vpn=INSTANCE)
    replace(stack, environment={**stack.environment, "PYTHONPATH": str(earlier)}).up()
    shutil.move(stack.directory / "now.py", stack.directory / "__main__.py")
    return stack, found_in(cluster)


def found_in(cluster):
    """Return what an upgrade must not change: pod, PVC, every Secret's content, keys and users."""
    secrets = {name.partition("/")[2] for name in cluster.names("secret", NAMESPACE)}
    return {
        "pod": cluster.get("pod", "vpn-0", NAMESPACE)["metadata"]["uid"],
        "claim": cluster.get("pvc", "data-vpn-0", NAMESPACE)["metadata"]["uid"],
        "secrets": {name: cluster.secret(name, NAMESPACE) for name in secrets},
        "keys": cluster.headscale("vpn", NAMESPACE, "preauthkeys", "list"),
        "users": cluster.headscale("vpn", NAMESPACE, "users", "list"),
    }


def test_upgrade_in_place_replaces_nothing(deployed_before, cluster):
    stack, before = deployed_before

    planned = stack.plan()
    assert set(planned) <= {"update"}, planned
    stack.up()

    assert found_in(cluster) == before


def test_second_up_after_upgrade_has_no_changes(deployed_before):
    stack, _ = deployed_before

    stack.up("--expect-no-changes")
    stack.refresh("--expect-no-changes")


def test_keys_rotate_after_upgrade(deployed_before, cluster):
    stack, before = deployed_before
    urns = [resource["urn"] for resource in stack.export()["deployment"]["resources"]]
    laptop = next(urn for urn in urns if urn.endswith("PreAuthKey::vpn-laptop"))

    stack.up("--target-replace", laptop, "--target-dependents")

    after = found_in(cluster)
    changed = {name for name, data in after["secrets"].items() if data != before["secrets"].get(name)}
    assert changed == {"laptop"}
    assert len(after["keys"]) == len(before["keys"])


def test_destroy_after_upgrade_leaves_no_keys(deployed_before, cluster):
    stack, _ = deployed_before

    run = stack.destroy()

    assert "error" not in output_of(run)
    assert cluster.names("secret", NAMESPACE) == set()
    assert cluster.exists("pvc", "data-vpn-0", NAMESPACE)
