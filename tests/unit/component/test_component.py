"""The component as a program sees it, with Pulumi's own mocks in place of the engine."""

import re
from pathlib import Path

import pulumi
import pytest
import yaml

from headscale_component import Headscale, SpecError, load_instances

README = (Path(__file__).parents[3] / "README.md").read_text()
SMALLEST = {"version": "v0.28.0", "config": {"server_url": "https://vpn.example.com"}}


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```$", README, flags=re.MULTILINE | re.DOTALL)


class Recorder(pulumi.runtime.Mocks):
    """Takes every resource as registered, and keeps it."""

    def __init__(self):
        self.resources = {}

    def new_resource(self, args):
        self.resources[args.name, args.typ.rpartition(":")[2]] = args
        return f"{args.name}-id", dict(args.inputs)

    def call(self, args):
        return {}


@pytest.fixture
def declared(event_loop):
    """Run a program and return what it registered, by name and type."""

    def run(program):
        recorder = Recorder()
        pulumi.runtime.set_mocks(recorder)
        pulumi.runtime.test(program)()
        return recorder.resources

    return run


def test_an_instance_is_these_resources_and_no_more(declared):
    made = declared(lambda: Headscale("vpn", {**SMALLEST, "users": {"alice": {}}, "apiKeys": {"ui": {}}}))

    assert set(made) == {
        ("vpn", "Headscale"),
        ("vpn", "StatefulSet"),
        ("vpn", "Service"),
        ("vpn", "ServiceAccount"),
        ("vpn", "Role"),
        ("vpn", "RoleBinding"),
        ("vpn-metrics", "Service"),
        ("vpn-config", "ConfigMap"),
        ("vpn-data", "PersistentVolumeClaimPatch"),
        ("vpn-connection", "pulumi-python"),
        ("vpn-alice", "User"),
        ("vpn-ui-api-key", "ApiKey"),
    }


def test_the_program_of_the_readme_declares_what_it_says(declared):
    (program,) = blocks("python")

    made = declared(lambda: exec(program, {}))

    assert {("vpn-alice", "User"), ("vpn-laptop", "PreAuthKey")} <= set(made)


def test_the_stack_of_the_readme_is_accepted():
    (text,) = blocks("yaml")

    instances = load_instances(yaml.safe_load(text)["config"]["headscale:instances"])

    assert set(instances) == {"vpn"}


def test_a_mistake_is_told_before_anything_is_registered(declared):
    def program():
        with pytest.raises(SpecError, match="replicas"):
            Headscale("vpn", {**SMALLEST, "replicas": 3})

    assert declared(program) == {}


def test_a_key_of_an_unknown_user_is_an_error(declared):
    def program():
        with pytest.raises(KeyError):
            Headscale("vpn", SMALLEST).pre_auth_key("laptop", {"user": "nobody"})

    declared(program)
