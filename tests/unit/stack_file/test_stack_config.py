"""The instances as the program gets them from Pulumi: what `validate` says of a file, and secrets that stay secrets."""

import asyncio
import json
from pathlib import Path

import pulumi
import pytest

from headscale_component.__main__ import main
from headscale_component.stack_config import stack_instances
from tests.printed import problems

FAULTS = Path(__file__).parents[1] / "faults" / "stacks"
CONFIG = {"server_url": "https://vpn.example.com"}
VPN = {"version": "v0.29.1", "config": CONFIG}
OIDC = {"issuer": "https://id.example.com", "client_id": "h"}


@pytest.fixture
def running(tmp_path, monkeypatch, event_loop):
    """Return what the program's instances are, or how the run fails, where the engine has read a file."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(pulumi.runtime, "get_root_directory", lambda: str(tmp_path))
    monkeypatch.setattr(pulumi, "get_stack", lambda: "dev")
    (tmp_path / "Pulumi.yaml").write_text("name: headscale\nruntime: python\n")

    def run(text, file=None, *, is_secret=False):
        if file is not None:
            (tmp_path / "Pulumi.dev.yaml").write_text(file)
        secret_keys = ["headscale:instances"] if is_secret else []
        given = text if isinstance(text, str | None) else json.dumps(text)
        pulumi.runtime.set_all_config({} if given is None else {"headscale:instances": given}, secret_keys)
        try:
            return stack_instances()
        finally:
            pulumi.runtime.set_all_config({}, [])

    return run


def messages(error):
    return str(error.value).splitlines()[1:]


def opened(value):
    """Return whether an Output is a secret, and what is in it."""

    async def both():
        return await value.is_secret(), await value.future()

    return asyncio.get_event_loop().run_until_complete(both())


def a_file(vpn):
    return json.dumps({"config": {"headscale:instances": {"vpn": vpn}}})


def test_encrypted_value_stays_a_secret(running):
    written = {**VPN, "config": {**CONFIG, "oidc": {**OIDC, "client_secret": {"secure": "v1:a"}}}}
    given = {**VPN, "config": {**CONFIG, "oidc": {**OIDC, "client_secret": "hunter2"}}}

    (spec,) = running({"vpn": given}, a_file(written), is_secret=True).values()

    assert opened(spec.config.oidc.client_secret) == (True, "hunter2")
    assert spec.config.oidc.client_id == "h"


REFUSED = {
    "pod.env.TOKEN": ("pod", {"env": {"TOKEN": {"secure": "v1:a"}}}, {"env": {"TOKEN": "hunter2"}}),
    "users.alice.email": ("users", {"alice": {"email": {"secure": "v1:a"}}}, {"alice": {"email": "hunter2"}}),
}


@pytest.mark.parametrize(("path", "change"), REFUSED.items())
def test_encrypted_value_elsewhere_is_refused_unseen(running, path, change):
    key, written, given = change

    with pytest.raises(pulumi.RunError) as error:
        running({"vpn": {**VPN, key: given}}, a_file({**VPN, key: written}), is_secret=True)

    (line,) = messages(error)
    assert line.startswith(f"headscale:instances.vpn.{path}: is encrypted, and a secret is not possible here")
    assert "hunter2" not in line


def test_secret_without_file_is_accepted_where_allowed(running):
    given = {**VPN, "config": {**CONFIG, "oidc": {**OIDC, "client_secret": "hunter2"}}}

    (spec,) = running({"vpn": given}, is_secret=True).values()

    assert opened(spec.config.oidc.client_secret) == (True, "hunter2")


@pytest.mark.parametrize("file", [None, "config: {headscale:instances: {vpn: {version: v0.28.0}}}"])
def test_unknown_secret_without_its_file_is_refused(running, file):
    with pytest.raises(pulumi.RunError, match="holds an encrypted value, and no stack file is at hand"):
        running({"vpn": {**VPN, "pod": {"env": {"TOKEN": "hunter2"}}}}, file, is_secret=True)


def test_problems_of_another_file_get_no_lines(running):
    with pytest.raises(pulumi.RunError) as error:
        running({"vpn": {**VPN, "usres": {}}}, "config: {headscale:instances: {vpn: {version: v0.28.0}}}")

    assert messages(error) == ["headscale:instances.vpn.usres: unknown key; did you mean `users`?"]


SAME = {
    "yes-for-a-flag": {"vpn": {**VPN, "config": {**CONFIG, "derp": {"server": {"enabled": "yes"}}}}},
    "typo-of-the-root": None,
}


@pytest.mark.parametrize(("name", "given"), SAME.items())
def test_program_and_command_line_say_the_same(running, capsys, tmp_path, name, given):
    text = (FAULTS / f"{name}.yaml").read_text()

    with pytest.raises(pulumi.RunError) as error:
        running(given, text)
    main(["validate", str(tmp_path / "Pulumi.dev.yaml")])

    assert messages(error) == problems(capsys.readouterr().err)


def test_text_of_json_is_read(running):
    assert set(running({"vpn": VPN}, (FAULTS / "text-of-json.yaml").read_text())) == {"vpn"}


def test_text_that_is_no_json_is_no_traceback(running):
    with pytest.raises(pulumi.RunError, match="headscale:instances: is a text that is no JSON"):
        running("yes")


def test_sections_with_nothing_in_them_are_defaults(running):
    (spec,) = running({"vpn": {**VPN, "users": None, "pod": None, "preAuthKeys": None}}).values()

    assert (spec.users, spec.pre_auth_keys) == ({}, {})
