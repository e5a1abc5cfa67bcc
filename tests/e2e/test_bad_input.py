"""An invalid stack file changes nothing, and every error in it is reported."""

import pytest

from .conftest import an_instance

NAMESPACE = "e2e-bad-input"


@pytest.fixture(scope="module")
def stack(make_stack):
    return make_stack(NAMESPACE)


@pytest.mark.parametrize("command", ["preview", "up"])
def test_invalid_stack_file_reports_each_path_registers_nothing(stack, cluster, command):
    stack.declare(
        vpn=an_instance(
            NAMESPACE,
            replicas=2,
            imagee="x",
            users={"bad!name": {"pictureURL": "ftp://a"}},
            preAuthKeys={"a": {"expiration": "soon"}, "b": {"tags": ["ci"]}},
        )
    )

    run = getattr(stack, command)(check=False)

    assert run.returncode != 0
    output = run.stdout + run.stderr
    for path in (
        "replicas",
        "imagee",
        "users.bad!name",
        "preAuthKeys.a",
        "preAuthKeys.a.expiration",
        "preAuthKeys.b.tags[0]",
    ):
        assert f"headscale:instances.vpn.{path}: " in output, path
    assert "Traceback" not in output
    resources = stack.export()["deployment"].get("resources", [])
    assert [value["type"] for value in resources if value["type"] != "pulumi:pulumi:Stack"] == []
    assert not cluster.kubectl("get", "namespace", NAMESPACE, "--ignore-not-found").strip()


def test_invalid_yaml_is_refused(stack):
    kept = stack.file.read_text()
    stack.file.write_text("config: [what\n")
    try:
        run = stack.preview(check=False)
    finally:
        stack.file.write_text(kept)

    assert run.returncode != 0
    assert "invalid YAML file: yaml: line 1" in run.stdout + run.stderr
