"""The stack file of a person's own cluster: written once, of the lab's, and never over what a person wrote."""

import pytest
import yaml

from headscale_component.spec import load_instances
from lab import own_stack

IMAGE = "localhost/headscale-sidecar:0.1.0-0123456789ab"


@pytest.fixture
def files(tmp_path):
    """Return the own file, which is not there yet, and the lab's real one."""
    return tmp_path / "Pulumi.own.yaml", own_stack._LAB_FILE


def read(files):
    return yaml.safe_load(files[0].read_text())


def test_made_stack_serves_loopback_and_is_valid(files):
    lab_text = files[1].read_text()

    assert own_stack.write(*files)

    instances = load_instances(read(files)["config"]["headscale:instances"])
    assert instances["vpn"].config.server_url == "http://127.0.0.1:16080"
    assert "encryptionsalt" not in read(files)
    assert files[1].read_text() == lab_text


def test_all_else_is_as_in_the_lab(files):
    own_stack.write(*files)

    made, lab = read(files)["config"], yaml.safe_load(files[1].read_text())["config"]
    del made["headscale:instances"]["vpn"]["config"]["server_url"]
    del lab["headscale:instances"]["vpn"]["config"]["server_url"]
    assert made == lab


def test_instances_get_ports_and_keep_real_addresses():
    instances = {
        "a": {"config": {"server_url": "http://a.headscale.local:8080"}},
        "b": {"config": {"server_url": "https://vpn.example.com"}},
        "c": {"config": {"server_url": "http://c.headscale.local"}},
    }

    made = own_stack.of_lab({"config": {"headscale:instances": instances}})["config"]["headscale:instances"]

    assert [instance["config"]["server_url"] for instance in made.values()] == [
        "http://127.0.0.1:16080",
        "https://vpn.example.com",
        "http://127.0.0.1:16082",
    ]


def test_file_of_a_person_is_not_written_again(files):
    own_stack.write(*files)
    files[0].write_text("config: {'headscale:instances': {}}\n")

    assert not own_stack.write(*files)
    assert files[0].read_text() == "config: {'headscale:instances': {}}\n"


@pytest.mark.parametrize(
    ("instance", "setting"),
    [
        ({}, {"headscale:instances.vpn.apiKey.managerImage": ""}),
        ({"apiKey": {"managerImage": IMAGE}}, {"headscale:instances.vpn.apiKey.managerImage": IMAGE}),
        ({"api_key": {"expiration": "90d"}}, {"headscale:instances.vpn.api_key.managerImage": ""}),
        ({"api_key": {"manager_image": IMAGE}}, {"headscale:instances.vpn.api_key.manager_image": IMAGE}),
        ({"apiKey": {"managerImage": "registry.example.com/ours:2"}}, {}),
        ({"apiKey": {"autoManage": False}}, {}),
    ],
    ids=["none", "ours", "snake case", "snake case, ours", "a person's", "no sidecar"],
)
def test_image_is_set_where_nobody_chose_one(instance, setting):
    assert own_stack.image_settings({"config": {"headscale:instances": {"vpn": instance}}}) == setting


def test_unedited_file_is_removed(files):
    own_stack.write(*files)
    document = read(files)
    document["config"]["headscale:instances"]["vpn"]["apiKey"]["managerImage"] = IMAGE
    # As `pulumi config set` writes it.
    document["config"]["kubernetes:upsertExistingObjects"] = "true"
    files[0].write_text(yaml.safe_dump({**document, "encryptionsalt": "v1:abc"}))

    assert own_stack.remove(*files)
    assert not files[0].exists()
    assert own_stack.remove(*files)


@pytest.mark.parametrize(("key", "value"), [("version", "v0.29.3"), ("apiKey", {"managerImage": "ours:2"})])
def test_edited_file_stays(files, key, value):
    own_stack.write(*files)
    document = read(files)
    document["config"]["headscale:instances"]["vpn"][key] = value
    files[0].write_text(yaml.safe_dump(document))

    assert not own_stack.remove(*files)
    assert files[0].exists()
