"""A change that is not allowed is refused before any object changes, also with `--skip-preview`."""

import pytest

from tests.e2e.conftest import an_instance, errors

NAMESPACE = "skip-preview"
INSTANCE = an_instance(NAMESPACE, version="v0.29.3")


@pytest.fixture(scope="module")
def stack(make_stack):
    stack = make_stack(NAMESPACE)
    stack.declare(vpn=INSTANCE)
    stack.up()
    return stack


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"version": "v0.28.0"}, "version v0.28.0 after v0.29.3 goes back"),
        ({"persistentVolumeClaim": {"size": "64Mi"}}, "cannot shrink to 64Mi"),
        ({"persistentVolumeClaim": {"size": "128Mi", "storageClassName": "other"}}, "cannot become `other`"),
    ],
)
def test_refused_change_without_preview_changes_nothing(stack, cluster, changes, reason):
    before = cluster.get("statefulset", "vpn", NAMESPACE)
    # The same update changes the pod too.
    stack.declare(vpn={**INSTANCE, **changes, "pod": {"annotations": {"example.com/other": reason[:8]}}})

    run = stack.up(check=False)

    assert run.returncode != 0
    assert [line for line in errors(run) if reason in line]
    after = cluster.get("statefulset", "vpn", NAMESPACE)
    assert after["metadata"]["generation"] == before["metadata"]["generation"]


def test_retained_pvc_of_newer_version_is_refused(stack, cluster):
    stack.declare(vpn=INSTANCE)
    stack.up()
    stack.destroy()
    stack.declare(vpn={**INSTANCE, "version": "v0.28.0"})

    run = stack.up(check=False)

    assert [line for line in errors(run) if "version v0.28.0 after v0.29.3 goes back" in line]
    assert not cluster.exists("statefulset", "vpn", NAMESPACE)
