"""What a person reads: links lead somewhere, YAML is accepted, quoted messages are those of the code.

Shell commands are in two kinds of blocks. `sh` is run end to end by `tests/e2e/test_readme.py`. `bash` is parsed here,
and a comment above it says what else: `<!-- run by tests/unit -->`, or `<!-- not run: … -->` with what it needs.
"""

import ast
import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import yaml

from headscale_component import HeadscaleArgs, load_instances
from headscale_component.render import documents
from headscale_sidecar.health import Health
from tests import mocked_program
from tools.architecture import ROOTS

REPOSITORY = Path(__file__).parents[2]
PAGES = [*sorted(REPOSITORY.glob("*.md")), *sorted((REPOSITORY / "docs").glob("*.md"))]
LINK = re.compile(r"(?<!!)\[[^\]]+\]\(([^)\s]+)\)")
TROUBLESHOOTING = (REPOSITORY / "docs" / "troubleshooting.md").read_text()
MESSAGES = re.findall(r"^\| `([^`]+)` \|", TROUBLESHOOTING, re.MULTILINE)
LONGEST_README = 130
GUIDES = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").glob("*.md"))]
LANGUAGES = {"bash", "mermaid", "nginx", "python", "sh", "text", "yaml"}
MARK = r"^ *<!-- (not run: [^>\n]{8,}|run by tests/unit) -->\n\n"
PATH = re.compile(r"`((?:[\w.-]+/)+(?:[\w.-]+\.\w+)?)`")
CHECKOUT = {path.name for path in REPOSITORY.iterdir()}
ELSEWHERE = {"stacks/Pulumi.own.yaml"}
"""What `make up` writes and git ignores."""


def prose(page):
    return re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)


def anchors(page):
    """Return the anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def links():
    for page in PAGES:
        for target in LINK.findall(prose(page)):
            if "://" not in target:
                yield pytest.param(page, target, id=f"{page.name}:{target}")


def blocks(language):
    """Return page and text of each code block, without its indentation."""
    found = re.compile(rf"^( *)```{language}\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
    return [(page, textwrap.dedent(text)) for page in PAGES for _, text in found.findall(page.read_text())]


def parsed():
    """Return page and document of every YAML block: stack files, and manifests for other tools."""
    return [(page, document) for page, block in blocks("yaml") for document in yaml.safe_load_all(block)]


def stacks():
    for page, document in parsed():
        if "config" in document:
            yield pytest.param(document, id=f"{page.name}:{len(str(document))} characters")


def manifests(kind):
    return [document for _, document in parsed() if document.get("kind") == kind]


@pytest.fixture(scope="module")
def rendered():
    """Return the objects of an instance as the pages name it, by kind and name."""
    config = {"server_url": "https://vpn.example.com", "derp": {"server": {"enabled": True}}}
    spec = HeadscaleArgs.model_validate({"version": "v0.29.3", "config": config})
    return {(found["kind"], found["metadata"]["name"]): found for found in documents("vpn", spec)}


def ports(service):
    return {port["name"]: port["port"] for port in service["spec"]["ports"]}


def covers(rules, group, resource, verbs):
    """Return whether rules of a Role without names of objects allow verbs on a resource."""
    allowed = [rule["verbs"] for rule in rules if group in rule["apiGroups"] and resource in rule["resources"]]
    return set(verbs) <= {verb for verbs in allowed for verb in verbs}


def constants():
    """Return every text in the product's code, with what is written in several parts as one."""
    for root in ROOTS:
        for path in (REPOSITORY / root).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    yield node.value


@pytest.fixture(scope="module")
def texts():
    return "\0".join(constants())


@pytest.mark.parametrize(("page", "target"), [*links()])
def test_relative_link_leads_to_file_and_heading(page, target):
    path, _, anchor = target.partition("#")
    file = (page.parent / path).resolve() if path else page

    assert file.exists()
    assert not anchor or anchor in anchors(file)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_path_named_on_a_page_exists(page):
    named = {path for path in PATH.findall(prose(page)) if path.split("/")[0] in CHECKOUT} - ELSEWHERE

    assert not [path for path in named if not (REPOSITORY / path).exists()]


@pytest.mark.parametrize("document", [*stacks()])
def test_stack_file_of_a_page_is_accepted(document):
    assert load_instances(document["config"]["headscale:instances"])


def test_yaml_block_is_stack_file_or_manifest():
    others = [document for _, document in parsed() if "config" not in document]

    assert others
    assert not [found for found in others if not (found["apiVersion"] and found["kind"] and found["metadata"]["name"])]


def test_routes_lead_to_the_service_for_clients(rendered):
    (ingress,), (route,) = manifests("Ingress"), manifests("HTTPRoute")
    (path,) = ingress["spec"]["rules"][0]["http"]["paths"]
    (backend,) = route["spec"]["rules"][0]["backendRefs"]
    service = rendered["Service", "vpn"]

    assert path["backend"]["service"] == {"name": "vpn", "port": {"name": "http"}}
    assert backend == {"name": "vpn", "port": ports(service)["http"]}
    assert ingress["metadata"]["namespace"] == route["metadata"]["namespace"] == service["metadata"]["namespace"]


def test_stun_service_selects_pod_and_port(rendered):
    (service,) = manifests("Service")
    (port,) = service["spec"]["ports"]

    assert service["spec"]["selector"] == rendered["Service", "vpn"]["spec"]["selector"]
    assert port["port"] == ports(rendered["Service", "vpn"])[port["targetPort"]]


def test_monitor_scrapes_every_port_for_metrics(rendered):
    (monitor,) = manifests("ServiceMonitor")
    service = rendered["Service", "vpn-metrics"]

    assert {endpoint["port"] for endpoint in monitor["spec"]["endpoints"]} == set(ports(service))
    assert monitor["spec"]["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()


def test_metric_named_in_operations_is_served():
    _, served = Health(failures={"Unreachable": 1}).answer("/metrics")
    named = set(re.findall(r"headscale_sidecar_\w+", (REPOSITORY / "docs" / "operations.md").read_text()))

    assert set() < named <= set(re.findall(r"\w+", served))


def test_role_of_deployer_covers_every_object(rendered):
    (role,) = manifests("Role")
    verbs = ["get", "list", "watch", "create", "patch", "delete"]

    for document in rendered.values():
        group, _, version = document["apiVersion"].rpartition("/")
        assert version == "v1"
        assert covers(role["rules"], group, f"{document['kind'].lower()}s", verbs), document["kind"]


def test_role_of_deployer_covers_that_of_sidecar(rendered):
    (role,) = manifests("Role")

    for rule in rendered["Role", "vpn"]["rules"]:
        for group in rule["apiGroups"]:
            for resource in rule["resources"]:
                assert covers(role["rules"], group, resource, rule["verbs"]), f"{resource}: {rule['verbs']}"


def test_pod_that_stores_policy_mounts_the_same(rendered):
    (pod,) = manifests("Pod")
    template = rendered["StatefulSet", "vpn"]["spec"]["template"]["spec"]
    (container,), headscale = pod["spec"]["containers"], template["containers"][0]
    mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    settings = {name: value for name, value in template["securityContext"].items() if name != "fsGroupChangePolicy"}

    assert container["securityContext"] == headscale["securityContext"]
    assert pod["spec"]["securityContext"] == settings
    assert mounts.pop("policy") == "/policy"
    assert mounts.items() <= {mount["name"]: mount["mountPath"] for mount in headscale["volumeMounts"]}.items()


@pytest.mark.parametrize("text", [text for _, text in blocks("bash")], ids=lambda text: text.splitlines()[0])
def test_shell_block_of_a_page_parses(text):
    done = subprocess.run(["bash", "-n"], input=text, text=True, capture_output=True, check=False)

    assert not done.returncode, done.stderr


def marked(mark):
    """Return the text of each `bash` block of README and docs below a comment that begins with a mark."""
    found = re.compile(rf"{MARK}( *)```bash\n(.*?)^\2```$", re.MULTILINE | re.DOTALL)
    texts = [match for page in GUIDES for match in found.findall(page.read_text())]
    return [textwrap.dedent(text) for written, _, text in texts if written.startswith(mark)]


@pytest.mark.parametrize("page", GUIDES, ids=lambda page: page.name)
def test_shell_block_says_whether_it_is_run(page):
    text = page.read_text()
    fences = re.findall(r"^ *```(\w*)$", text, re.MULTILINE)

    assert set(fences[::2]) <= LANGUAGES
    assert set(fences[1::2]) <= {""}
    assert fences.count("bash") == len(re.findall(rf"{MARK} *```bash$", text, re.MULTILINE))


@pytest.fixture
def checkout(tmp_path):
    """A folder with the stacks of the repository, its virtual environment, and the console script on PATH."""
    for name in ("Pulumi.yaml", "stacks"):
        (tmp_path / name).symlink_to(REPOSITORY / name)
    (tmp_path / ".venv").symlink_to(sys.prefix)
    (tmp_path / "bin").mkdir()
    script = tmp_path / "bin" / "headscale-component"
    script.write_text(f'#!/bin/sh\nexec {sys.executable} -m headscale_component "$@"\n')
    script.chmod(0o755)
    return tmp_path


OFFLINE = [text for page, text in blocks("sh") if page.name == "command-line.md"] + marked("run by tests/unit")


@pytest.mark.parametrize("text", OFFLINE, ids=lambda text: text.splitlines()[0])
def test_block_that_needs_no_cluster_succeeds(checkout, text):
    variables = {"PATH": f"{checkout / 'bin'}:{os.environ['PATH']}", "PYTHONPATH": str(REPOSITORY)}
    run = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", text],
        cwd=checkout,
        env={**os.environ, **variables},
        text=True,
        capture_output=True,
        check=False,
    )

    assert (run.returncode, run.stderr) == (0, "")
    assert len(marked("run by tests/unit")) == 1


QUESTIONS = [
    "rotate a leaked key",
    "Who can read the API key",
    "What does `pulumi destroy` leave",
    "from 0.28 to 0.29",
    "not connect through nginx",
    "add a user in CI",
    "in my state file",
    "run two instances",
    "the cluster is lost",
    "get help",
]


def test_faq_answers_each_question_once():
    headings = re.findall(r"^## (.+)$", (REPOSITORY / "docs" / "faq.md").read_text(), re.MULTILINE)

    assert [len([heading for heading in headings if text in heading]) for text in QUESTIONS] == [1] * len(QUESTIONS)
    assert len(headings) >= len(QUESTIONS)


def test_quick_start_is_that_of_the_readme():
    starts = {page.name: text for page, text in blocks("sh") if "KUBECONFIG" in text}

    assert set(starts) == {"README.md", "quick-start.md"}
    assert len(set(starts.values())) == 1


@pytest.mark.parametrize("text", [text for _, text in blocks("python")], ids=lambda text: text.splitlines()[0])
def test_program_of_a_page_declares_instance_and_key(text):
    types = {line.split()[0] for line in mocked_program.declared(text)}

    assert {"headscale:index:Headscale", "pulumi-python:dynamic/headscale:PreAuthKey"} <= types


@pytest.mark.parametrize("message", MESSAGES)
def test_message_of_troubleshooting_is_in_the_code(texts, message):
    assert message in texts


def test_readme_links_to_every_page():
    linked = {target.partition("#")[0] for target in LINK.findall(prose(REPOSITORY / "README.md"))}

    assert {str(page.relative_to(REPOSITORY)) for page in PAGES} - {"README.md"} <= linked


def test_readme_stays_short():
    assert len((REPOSITORY / "README.md").read_text().splitlines()) <= LONGEST_README


MAKEFILE = (REPOSITORY / "Makefile").read_text()


def test_make_help_has_a_sentence_for_every_target():
    (phony,) = re.findall(r"^\.PHONY: (.+)$", MAKEFILE, re.MULTILINE)
    plain = {name: value for name, value in os.environ.items() if name not in {"MAKEFLAGS", "MAKELEVEL"}}
    run = subprocess.run(["make", "-s", "help"], cwd=REPOSITORY, env=plain, text=True, capture_output=True, check=True)
    shown = dict(re.findall(r"^  make (\S+) +(\S.+)$", run.stdout, re.MULTILINE))
    targets = set(re.findall(r"^([a-z][a-z0-9-]*):(?!=)", MAKEFILE, re.MULTILINE))

    assert set(shown) == set(phony.split()) == targets
    assert not [text for text in shown.values() if len(text.split()) < 4 or not text[0].isupper()]
