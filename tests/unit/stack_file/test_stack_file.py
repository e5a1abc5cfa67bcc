"""A stack file as a person sees it: every mistake in one line, in the order of the file, and as Pulumi reads it."""

import json
from pathlib import Path

import pytest

from headscale_component.__main__ import main
from headscale_component.spec.errors import Problem, SpecError
from headscale_component.spec.instances import ROOT
from headscale_component.stack_file import load_file, read, stack_files
from tests.printed import problems

FAULTS = Path(__file__).parents[1] / "faults" / "stacks"
PATH = "headscale:instances.vpn"


def lines_of(capsys, file):
    """Return what `validate` prints about a file, without its path."""
    main(["validate", str(file)])
    printed = capsys.readouterr()
    return [line.replace(str(file), "FILE") for line in [*printed.out.splitlines(), *problems(printed.err)]]


SECRET_IN_CLEAR = (
    "is encrypted, and a secret is not possible here: it would be in clear in the cluster; write it in clear"
)
BY_REFERENCE = "or as `{secretKeyRef: {name: SECRET, key: KEY}}`"

PRINTED = {
    "secrets-in-wrong-places": [
        f"{PATH}.files./etc/x/y.inline: {SECRET_IN_CLEAR} {BY_REFERENCE} in place of `inline` (FILE, line 6)",
        f"{PATH}.pod.env.TOKEN: {SECRET_IN_CLEAR} {BY_REFERENCE} (FILE, line 7)",
    ],
    "duplicate-instance": [
        f"{PATH}: is written twice, the first time in line 3; join the two, or leave one out (FILE, line 6)"
    ],
    "duplicate-keys": [
        f"{PATH}.users: is written twice, the first time in line 6; join the two, or leave one out (FILE, line 7)"
    ],
    "user-names-like-values": ["ok"],
    "sections-with-nothing-in-them": ["ok"],
    "text-of-json": ["ok"],
    "recursive-alias": [f"{PATH}.pod.affinity: anchor `p` contains itself; write the value out (FILE, line 7)"],
    "typo-of-the-root": ["headscale:instance: unknown key; did you mean `headscale:instances`? (FILE, line 2)"],
}


@pytest.mark.parametrize(("name", "lines"), PRINTED.items())
def test_fault_is_printed_in_one_line(capsys, name, lines):
    assert lines_of(capsys, FAULTS / f"{name}.yaml") == lines


def test_yes_is_no_boolean_here_either(capsys):
    (line,) = lines_of(capsys, FAULTS / "yes-for-a-flag.yaml")

    assert line.startswith(f"{PATH}.config.derp.server.enabled: ")
    assert line.endswith("not `yes`, which is a text; write `true` (FILE, line 5)")


def test_lines_are_those_of_the_keys_as_written(capsys):
    lines = lines_of(capsys, FAULTS / "lines-of-keys.yaml")

    places = [(line.split(": ")[0], int(line.removesuffix(")").rpartition(" ")[2])) for line in lines]
    assert (f"{PATH}.api_key.rotation_buffer", 8) in places
    assert (f"{PATH}.podd", 9) in places
    assert (f"{PATH}.preAuthKeys.ci", 12) in places
    assert [line for _, line in places] == sorted(line for _, line in places)


def test_control_characters_are_escaped(capsys):
    main(["validate", str(FAULTS / "control-characters.yaml")])
    err = capsys.readouterr().err

    assert "\x1b" not in err
    assert problems(err)
    assert not [line for line in problems(err) if line.startswith("headscale:instances.vpn.fake")]
    assert all(line.startswith(("headscale:instances.vpn", 'headscale:instances["')) for line in problems(err))


HEAD = "config:\n  headscale:instances:\n    vpn:\n      version: v0.29.1\n"
CONFIG = "      config: {server_url: https://vpn.example.com}\n"


@pytest.fixture
def stack(tmp_path):
    """Write a stack file behind the first lines of an instance."""

    def write(more, head=HEAD + CONFIG, name="Pulumi.dev.yaml"):
        file = tmp_path / name
        file.write_text(head + more)
        return file

    return write


def test_value_shared_by_an_alias_is_printed_once(stack, capsys):
    file = stack("      users:\n        a: &u\n          email: nobody\n        b: *u\n        c: {<<: *u}\n")

    (line,) = lines_of(capsys, file)

    assert line.startswith(f"{PATH}.users.a.email: ")
    assert line.endswith("(FILE, line 8)")


REFUSED_AS_SECRETS = {
    "an annotation": ("      pod: {annotations: {note: {secure: v1:a}}}\n", f"{PATH}.pod.annotations.note"),
    "a user": ("      users: {alice: {email: {secure: v1:a}}}\n", f"{PATH}.users.alice.email"),
    "all users": ("      users: {secure: v1:a}\n", f"{PATH}.users"),
    "an item of a list": ("      imagePullSecrets: [{secure: v1:a}]\n", f"{PATH}.imagePullSecrets[0]"),
    "what is Kubernetes' own": (
        "      pod: {volumes: [{name: a, nfs: {server: b, path: {secure: v1:a}}}]}\n",
        f"{PATH}.pod.volumes[0].nfs.path",
    ),
}


@pytest.mark.parametrize(("more", "path"), REFUSED_AS_SECRETS.values(), ids=REFUSED_AS_SECRETS)
def test_encrypted_value_elsewhere_is_refused_once(stack, capsys, more, path):
    (line,) = lines_of(capsys, stack(more))

    assert line == f"{path}: {SECRET_IN_CLEAR} (FILE, line 6)"


def test_instances_encrypted_as_a_whole_are_refused(stack, capsys):
    (line,) = lines_of(capsys, stack("", head="config:\n  headscale:instances: {secure: v1:a}\n"))

    assert line == (
        "headscale:instances: is encrypted as a whole, and would be in clear in the cluster; encrypt the secrets in it "
        "alone (FILE, line 2)"
    )


ENCRYPTED = [
    "      connection: {channel: pod, apiKey: {secure: v1:a}}\n      apiKey: {autoManage: false}\n",
    "      connection: {channel: pod, api_key: {secure: v1:a}}\n      apiKey: {autoManage: false}\n",
    "      connection: {kubeconfig: {secure: v1:a}}\n",
]


@pytest.mark.parametrize("more", ENCRYPTED)
def test_encrypted_value_of_a_connection_is_taken(stack, capsys, more):
    assert lines_of(capsys, stack(more)) == ["ok"]


@pytest.mark.parametrize("ending", ["yaml", "yml", "json"])
def test_stack_files_end_as_the_project_does(tmp_path, capsys, ending):
    instances = {"vpn": {"version": "v0.29.1", "config": {"server_url": "https://vpn.example.com"}}}
    (tmp_path / f"Pulumi.{ending}").write_text(json.dumps({"name": "headscale", "stackConfigDir": "stacks"}))
    (tmp_path / "stacks").mkdir()
    file = tmp_path / "stacks" / f"Pulumi.dev.{ending}"
    file.write_text(json.dumps({"config": {"instances": instances}}, indent="\t" if ending == "json" else 2))

    assert stack_files(tmp_path) == [file]
    assert main(["validate", "--stack", "dev", "--directory", str(tmp_path)]) == 0
    assert capsys.readouterr().out == "ok\n"


def test_numbers_in_json_are_floats_to_pulumi(stack):
    file = stack('{"config": {"headscale:instances": {"a": [1, 1.0, 9007199254740993]}}}', "", "Pulumi.dev.json")

    assert read(file).instances == {"a": [1, 1, 9007199254740992]}


def test_lines_of_json_are_known(stack):
    file = stack('{"config": {\n\t"headscale:instances": {\n\t\t"vpn": {\n\t\t\t"a": 1}}}}', "", "Pulumi.dev.json")

    assert read(file).line_of(("vpn", "a")) == 4


UNREADABLE = {
    "a list": ("[]", "FILE: is no mapping"),
    "a list for the configuration": ("config: []", "FILE: `config` is no mapping"),
    "a key without a name": ("config: {5: 1}", "5: is no key of Pulumi's"),
    "two spellings of the key": (
        "config: {headscale:instances: {}, headscale:config:instances: {}}",
        "FILE: `headscale:instances` in line 1 and `headscale:config:instances` in line 1 are one to Pulumi",
    ),
    "text that is no JSON": (
        "config:\n  headscale:instances: yes\n",
        "headscale:instances: is a text that is no JSON: expecting value; write a mapping (FILE, line 2)",
    ),
    "no YAML": ("a: [", "FILE, line 1: is no YAML: "),
    "an empty key": (
        "config:\n  headscale:instances:\n",
        "headscale:instances: must be a mapping of names to instances, and hold at least one (FILE, line 2)",
    ),
    "instances that hold themselves": (
        "config:\n  headscale:instances: &r {vpn: *r}\n",
        "headscale:instances.vpn: anchor `r` contains itself; write the value out (FILE, line 2)",
    ),
}


@pytest.mark.parametrize(("text", "message"), UNREADABLE.values(), ids=UNREADABLE)
def test_unreadable_file_is_refused_in_one_line(stack, capsys, text, message):
    (line,) = lines_of(capsys, stack(text, ""))

    assert line.startswith(message)


def test_one_unreadable_stack_hides_no_other(tmp_path, capsys):
    (tmp_path / "Pulumi.yaml").write_text("name: headscale\n")
    (tmp_path / "Pulumi.a.yaml").write_text("a: 1\na: 2\n")
    (tmp_path / "Pulumi.b.yaml").write_text(HEAD + CONFIG)

    assert main(["validate", "--directory", str(tmp_path)]) == 1

    printed = capsys.readouterr()
    (problem,) = problems(printed.err)
    assert problem.startswith("a: is written twice, the first time in line 1")
    assert printed.out == f"{tmp_path / 'Pulumi.b.yaml'}: ok\n"


def test_wide_text_is_read(tmp_path):
    file = tmp_path / "Pulumi.dev.yaml"
    file.write_bytes((HEAD + CONFIG).encode("utf-16"))

    assert read(file).instances["vpn"]["version"] == "v0.29.1"


def test_missing_part_has_line_of_its_parent(stack):
    file = read(stack("      users: {}\n"))

    assert file.format_problem(Problem((ROOT, "vpn", "users", "bob"), "x")).endswith("line 6)")
    assert file.line_of(("north",)) == 2


def test_no_file_is_one_error(tmp_path):
    with pytest.raises(SpecError, match="cannot be read: No such file"):
        read(tmp_path / "none.yaml")


def test_null_means_none_where_the_default_is_something(stack):
    config = "{server_url: https://vpn.example.com, prefixes: {v4: 100.64.0.0/10, v6: }, dns: {base_domain: }}"
    file = stack(f"      config: {config}\n", HEAD)

    prefixes = load_file(read(file))["vpn"].config.prefixes

    assert (prefixes.v4, prefixes.v6) == ("100.64.0.0/10", None)
