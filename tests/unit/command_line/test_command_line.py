"""What a person sees of a stack with neither engine nor cluster."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from headscale_component.__main__ import main
from headscale_component.render import documents
from headscale_component.schema import reference_page, stack_schema
from headscale_component.spec import load_instances
from headscale_component.versions import VERSION
from tests.printed import problems

REPOSITORY = Path(__file__).parents[3]
STACKS = sorted((REPOSITORY / "stacks").glob("Pulumi.*.yaml"))


@pytest.fixture
def project(tmp_path):
    """A project with one stack file, and a way to write it."""
    (tmp_path / "Pulumi.yaml").write_text("name: headscale\nruntime: python\nstackConfigDir: stacks\n")
    (tmp_path / "stacks").mkdir()

    def write(text):
        (tmp_path / "stacks" / "Pulumi.dev.yaml").write_text(text)
        return ["--stack", "dev", "--directory", str(tmp_path)]

    return write


GOOD = """config:
  headscale:instances:
    vpn:
      version: v0.28.0
      config:
        server_url: https://vpn.example.com
"""


POLICY = """      policy:
        tagOwners: {"tag:3d": []}
        acls:
          - {action: accept, src: ["tag:3d"], dst: ["*:*"]}
          - {action: accept, src: [10.0.0.0/8], dst: ["autogroup:self:*"]}
        ssh:
          - {action: check, src: [autogroup:member], dst: ["tag:3d"], users: ["*"], checkPeriod: 7d}
"""


@pytest.mark.parametrize("path", STACKS, ids=lambda path: path.stem)
def test_the_stacks_of_this_repository_are_valid(path, capsys):
    assert main(["validate", str(path)]) == 0
    assert capsys.readouterr().out == "ok\n"


def test_validate_prints_path_message_and_line(project, capsys):
    where = project(GOOD + "        log:\n          level: loud\n      replicas: 2\n      usres: {}\n")

    assert main(["validate", *where]) == 1

    path = Path(where[3]) / "stacks" / "Pulumi.dev.yaml"
    printed = capsys.readouterr()
    lines = printed.err.splitlines()
    assert printed.out == ""
    assert len([line for line in lines if line.startswith("error: ")]) == 3
    assert lines[0].startswith(f"error: headscale:instances.vpn.config.log.level ({path}, line 8): must be `trace`, ")
    assert lines[0].endswith("not `loud`")
    assert lines[-2:] == [
        f"error: headscale:instances.vpn.usres ({path}, line 10): unknown key",
        "hint: did you mean `users`?",
    ]


def test_place_is_printed_with_fault_not_hint(project, capsys):
    where = project(GOOD + "      users: {}\n      users: {}\n")

    assert main(["validate", *where]) == 1

    path = Path(where[3]) / "stacks" / "Pulumi.dev.yaml"
    assert capsys.readouterr().err.splitlines() == [
        f"error: headscale:instances.vpn.users: is written twice, the first time in line 7 ({path}, line 8)",
        "hint: join the two, or leave one out",
    ]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "config:",
        "config: 5",
        "config:\n  headscale:instances: []",
        "config:\n  headscale:instances:\n    vpn:",
        "config:\n  headscale:instances:\n    vpn: {config: 5, version: 1, users: [], preAuthKeys: {a: 5, b: null}}",
        "config:\n  headscale:instances:\n    5: {config: {dns: [], derp: x, oidc: 1}}",
        "config:\n  headscale:instances:\n    vpn: {version: [], config: {server_url: {}, dns: {nameservers: 5}}}",
        "config: [what",
        "\x00",
        "a: &a [*a]",
    ],
)
def test_malformed_stack_is_an_error_without_traceback(project, capsys, text):
    assert main(["validate", *project(text)]) == 1

    printed = capsys.readouterr()
    assert problems(printed.err)
    assert "Traceback" not in printed.err + printed.out


def test_unknown_stack_is_named_with_known_ones(project, capsys):
    directory = project(GOOD)[3]

    assert main(["validate", "--stack", "nope", "--directory", directory]) == 1
    assert capsys.readouterr() == ("", "error: there is no stack `nope`\nhint: known are: dev\n")


def test_without_a_name_all_stacks_are_checked(project, capsys):
    directory = project(GOOD)[3]

    assert main(["validate", "--directory", directory]) == 0
    assert capsys.readouterr().out.endswith("Pulumi.dev.yaml: ok\n")


def test_render_shows_no_secret(project, capsys):
    oidc = "{issuer: 'https://id.example.com', client_id: h, client_secret: {secretKeyRef: {name: oidc, key: secret}}}"

    assert main(["render", *project(GOOD + f"        oidc: {oidc}\n")]) == 0

    made = {value["kind"]: value for value in yaml.safe_load_all(capsys.readouterr().out)}
    config = yaml.safe_load(made["ConfigMap"]["data"]["config.yaml"])
    assert config["server_url"] == "https://vpn.example.com"
    assert "client_secret" not in config["oidc"]
    headscale = made["StatefulSet"]["spec"]["template"]["spec"]["containers"][0]
    assert headscale["env"] == [
        {
            "name": "HEADSCALE_OIDC_CLIENT_SECRET",
            "valueFrom": {"secretKeyRef": {"key": "secret", "name": "oidc"}},
        }
    ]


def test_encrypted_value_is_rendered_as_a_secret(project, capsys):
    oidc = "{issuer: 'https://id.example.com', client_id: h, client_secret: {secure: v1:def}}"

    assert main(["render", *project(GOOD + f"        oidc: {oidc}\n")]) == 0

    made = {value["kind"]: value for value in yaml.safe_load_all(capsys.readouterr().out)}
    assert "client_secret" not in yaml.safe_load(made["ConfigMap"]["data"]["config.yaml"])["oidc"]
    (variable,) = made["StatefulSet"]["spec"]["template"]["spec"]["containers"][0]["env"]
    assert variable["valueFrom"]["secretKeyRef"] == {"key": "oidc.client_secret", "name": "vpn-config-secrets-xxxxxxxx"}


@pytest.mark.parametrize(
    ("more", "path"),
    [
        ("        oidc: {issuer: 'https://i', client_id: {secure: v1:a}, client_secret: {secure: v1:b}}\n",
         "config.oidc.client_id"),
        ("      pod: {annotations: {note: {secure: v1:abc}}}\n", "pod.annotations.note"),
    ],
)  # fmt: skip
def test_encrypted_value_is_not_rendered_in_clear(project, capsys, more, path):
    assert main(["render", *project(GOOD + more)]) == 1

    printed = capsys.readouterr()
    (problem,) = problems(printed.err)
    assert problem.startswith(f"headscale:instances.vpn.{path}: is encrypted, and a secret is not possible")
    assert printed.out == "", "other programs read it"


def test_policy_file_is_sought_from_the_project(project, capsys, tmp_path, monkeypatch):
    where = project(GOOD + "      policy: {file: policies/p.hujson}\n")
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "p.hujson").write_text('{"acls": [{"action": "accept", "src": ["*"], "dst": ["*:*"]}]}')
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")

    assert main(["validate", *where]) == 0
    assert main(["validate", "--directory", ".."]) == 0
    assert main(["validate", "../stacks/Pulumi.dev.yaml"]) == 0
    assert capsys.readouterr().out.splitlines() == ["ok", "../stacks/Pulumi.dev.yaml: ok", "ok"]
    assert Path.cwd() == tmp_path / "elsewhere"


SCRIPT = "import sys; from headscale_component.__main__ import main; sys.exit(main())"
"""What the console script of a wheel does: https://packaging.python.org/en/latest/specifications/entry-points/."""


@pytest.fixture
def closed_pipe():
    """The end to write to of a pipe that nobody reads."""
    reading, writing = os.pipe()
    os.close(reading)
    yield writing
    os.close(writing)


STARTS = {"module": ["-m", "headscale_component"], "script": ["-c", SCRIPT]}
BUFFERED = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}


@pytest.mark.parametrize("start", STARTS.values(), ids=STARTS)
def test_closed_pipe_is_no_traceback(closed_pipe, start):
    command = [sys.executable, *start, "render", "--stack", "production"]
    run = subprocess.run(
        command, stdout=closed_pipe, stderr=subprocess.PIPE, text=True, check=False, cwd=REPOSITORY, env=BUFFERED
    )

    assert (run.returncode, run.stderr) == (141, "")


@pytest.mark.parametrize("start", STARTS.values(), ids=STARTS)
def test_reader_of_problems_may_stop_early(project, closed_pipe, start):
    command = [sys.executable, *start, "validate", *project(GOOD + "      usres: {}\n")]
    run = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=closed_pipe, text=True, check=False, cwd=REPOSITORY, env=BUFFERED
    )

    assert (run.returncode, run.stdout) == (141, "")


@pytest.mark.parametrize("arguments", [[], ["valdate"], ["validate", "--stck", "dev"], ["diff-version"]])
def test_command_not_understood_is_usage_error(capsys, arguments):
    with pytest.raises(SystemExit) as ended:
        main(arguments)

    printed = capsys.readouterr()
    assert (ended.value.code, printed.out) == (2, "")
    error, hint = printed.err.splitlines()
    assert error.startswith("error: ")
    assert hint.startswith("hint: run `")


@pytest.fixture
def help_text(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    return capsys.readouterr().out


def test_help_has_commands_and_exit_codes_of_docs(help_text):
    page = (REPOSITORY / "docs" / "command-line.md").read_text()
    commands = re.findall(r"^\| `([a-z-]+)[^`]*` \|", page, re.MULTILINE)
    codes = re.findall(r"^\| (\d+) \|", page, re.MULTILINE)

    assert {"validate", "render", "diff-version", "schema", "reference"} == set(commands)
    assert set(re.findall(r"^    ([a-z][a-z-]+)", help_text, re.MULTILINE)) == set(commands)
    assert re.findall(r"^  (\d+) ", help_text, re.MULTILINE) == codes == ["0", "1", "2", "141"]


@pytest.mark.parametrize("command", ["validate", "render", "diff-version", "schema", "reference"])
def test_help_of_command_is_a_sentence(capsys, command):
    with pytest.raises(SystemExit):
        main([command, "--help"])

    assert re.search(r"^[A-Z][^\n]+(\n[^\n]+)?\.$", capsys.readouterr().out, re.MULTILINE)


def test_examples_of_help_are_valid_commands(help_text, monkeypatch, capsys):
    monkeypatch.chdir(REPOSITORY)
    examples = re.findall(r"^  \S.* (?:-m )?headscale.component ((?:\S+ )*?\S+) {2,}", help_text, re.MULTILINE)

    assert len(examples) >= 4
    assert [main(example.partition(" >")[0].split()) for example in examples] == [0] * len(examples)


def test_version_is_that_of_the_package(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--version"])

    assert (ended.value.code, capsys.readouterr().out) == (0, f"{VERSION}\n")


def test_an_upgrade_shows_what_changes_in_the_configuration(project, capsys):
    assert main(["diff-version", "v0.29.3", *project(GOOD)]) == 0

    out = capsys.readouterr().out
    assert "vpn: v0.28.0 -> v0.29.3" in out
    assert "  - ephemeral_node_inactivity_timeout: 30m" in out
    assert "  + node.ephemeral.inactivity_timeout: 30m" in out
    assert "note: 0.29 refuses to go back" in out


@pytest.mark.parametrize(
    ("version", "more", "says"),
    [
        (
            "v0.29.3",
            "        randomize_client_port: true\n",
            "! config.randomize_client_port: 0.29 does not start with it",
        ),
        ("v0.27.1", "", "! version: goes back"),
        ("0.30", "", "! version: `0.30` is no exact version"),
        ("v0.30.0", "", "! version: skips 0.29"),
        ("v0.29.3", POLICY, "! policy.ssh[0].users[0]: `*` is no user to Headscale 0.29 and newer"),
        (
            "v0.29.3",
            POLICY,
            "! policy.ssh[0].checkPeriod: `7d` is no time to Headscale 0.29",
        ),
        ("v0.29.3", POLICY, "! policy.acls[0].src[0]: `tag:3d` has no letter behind `tag:`"),
        ("v0.29.3", POLICY, "! policy.acls[1].src[0]: `10.0.0.0/8` has no machines of its own"),
    ],
)
def test_an_upgrade_that_breaks_says_what_and_fails(project, capsys, version, more, says):
    assert main(["diff-version", version, *project(GOOD + more)]) == 1

    assert says in capsys.readouterr().out


@pytest.mark.parametrize(
    ("made", "path"), [(stack_schema, "schemas/stack.schema.json"), (reference_page, "docs/configuration.md")]
)
def test_generated_files_are_current(made, path):
    assert (REPOSITORY / path).read_text() == made(), "run `make schema`"


def test_schema_accepts_stacks_and_finds_a_typo():
    from jsonschema import Draft202012Validator

    check = Draft202012Validator(json.loads(stack_schema()))
    for path in STACKS:
        assert [error.message for error in check.iter_errors(yaml.safe_load(path.read_text()))] == []
    wrong = yaml.safe_load(GOOD.replace("server_url", "sever_url"))

    assert [error.message for error in check.iter_errors(wrong)]


def test_fifty_instances_are_all_rendered():
    raw = yaml.safe_load(GOOD)["config"]["headscale:instances"]["vpn"]
    many = {f"vpn-{number}": {**raw, "namespace": f"n-{number}"} for number in range(50)}

    rendered = [documents(name, spec) for name, spec in load_instances(many).items()]

    assert [len(made) for made in rendered] == [7] * 50


def test_the_specification_loads_without_pulumi_kubernetes():
    code = "import sys, headscale_component.spec; print([m for m in sys.modules if m.startswith('pulumi')])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=REPOSITORY)

    assert run.stdout == "[]\n"
