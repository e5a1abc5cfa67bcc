"""What `python -m headscale_component render` prints is accepted by the API server, which stores none of it."""

import contextlib
import functools
import io
import os
import re
import subprocess
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from headscale_component import SpecError, load_instances
from headscale_component.__main__ import main
from headscale_component.spec import kubernetes_values
from headscale_component.spec.files import FILE_PATH
from headscale_component.spec.instances import ROOT
from headscale_core.values import metadata
from lab import tools

from .conftest import REPOSITORY

NAMESPACE = f"rendered-objects-{os.getpid()}"
"""Stands for each instance's own: an object needs a namespace that is there, also to be checked."""
DRAWN = 40
PAGES = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").glob("*.md"))]


def matching(pattern: str, longest: int = 200) -> st.SearchStrategy[str]:
    return st.from_regex(rf"\A({pattern})\Z").filter(lambda text: len(text) <= longest)


def some(names: st.SearchStrategy[str], values: st.SearchStrategy) -> st.SearchStrategy[dict]:
    return st.dictionaries(names, values, max_size=3)


names = matching(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
labels = some(matching(metadata.QUALIFIED_NAME), matching(metadata.LABEL_VALUE))
files = matching(FILE_PATH, longest=60)
texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)
keys = matching(kubernetes_values.DATA_KEY)
amounts = st.sampled_from(["1", "50m", "1.5", "64Mi", "1G", "2e3", ".5", "3.", 1, 0.5])
references = st.fixed_dictionaries({"name": names, "key": keys})
sources = st.one_of(
    st.fixed_dictionaries({"inline": texts}),
    st.fixed_dictionaries({"secretKeyRef": references}),
    st.fixed_dictionaries({"configMapKeyRef": references}),
)
variables = matching(kubernetes_values.VARIABLE_NAME)
volumes = st.one_of(
    st.fixed_dictionaries(
        {"name": names, "emptyDir": st.sampled_from([{}, {"medium": "Memory", "size_limit": "1Mi"}])}
    ),
    st.fixed_dictionaries({"name": names, "persistent_volume_claim": st.builds(dict, claimName=names)}),
    st.fixed_dictionaries({"name": names, "secret": st.builds(dict, secretName=names, optional=st.booleans())}),
)
tolerations = st.sampled_from(
    [
        {"operator": "Exists"},
        {"key": "a.b/c", "value": "d", "effect": "NoSchedule"},
        {"key": "a", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 5},
    ]
)
term = {"topologyKey": "kubernetes.io/hostname", "labelSelector": {"matchLabels": {"a": "b"}}}
pods = st.fixed_dictionaries(
    {},
    optional={
        "labels": labels,
        "annotations": some(matching(metadata.QUALIFIED_NAME), texts),
        "env": some(variables, texts | st.builds(lambda reference: {"secretKeyRef": reference}, references)),
        "resources": st.fixed_dictionaries({"requests": some(st.sampled_from(["cpu", "memory"]), amounts)}),
        "volumes": st.lists(volumes, max_size=2),
        "containers": st.lists(
            st.fixed_dictionaries({"name": names, "image": matching(kubernetes_values.IMAGE)}), max_size=2
        ),
        "nodeSelector": labels,
        "tolerations": st.lists(tolerations, max_size=2),
        "affinity": st.just({"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}),
        "topologySpreadConstraints": st.just([{"maxSkew": 1, "whenUnsatisfiable": "DoNotSchedule", **term}]),
        "priorityClassName": st.just("system-cluster-critical"),
    },
)
ports = st.integers(1024, 65535).map(lambda port: f"0.0.0.0:{port}")
instances = st.fixed_dictionaries(
    {
        "files": some(files, sources),
        "pod": pods,
        "version": st.sampled_from(["v0.27.1", "v0.28.0", "v0.29.3", "v0.30.0-beta.1", f"0.29.0-{'a' * 60}.b"]),
        "config": st.fixed_dictionaries(
            {"server_url": st.just("https://vpn.example.com")},
            optional={"listen_addr": ports, "metrics_listen_addr": ports, "grpc_listen_addr": ports},
        ),
    },
    optional={
        "createNamespace": st.just(True),
        "image": matching(kubernetes_values.REPOSITORY),
        "imagePullSecrets": st.lists(names, max_size=2),
        "replicas": st.integers(0, 1),
        "persistentVolumeClaim": st.fixed_dictionaries(
            {}, optional={"size": st.just("1.5Gi"), "storageClassName": names}
        ),
        "apiKey": st.fixed_dictionaries(
            {"autoManage": st.booleans()},
            optional={"secretName": names, "managerImage": matching(kubernetes_values.IMAGE)},
        ),
        "apiKeys": some(names, st.fixed_dictionaries({}, optional={"secretLabels": labels})),
    },
)


@functools.cache
def drawn() -> dict[str, dict]:
    """Return instances that are accepted, the same in each run, each in a namespace of its own."""
    found: list[dict] = []

    @settings(
        derandomize=True,
        database=None,
        deadline=None,
        max_examples=3 * DRAWN,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(instances)
    def collect(instance):
        try:
            load_instances({"vpn": instance})
        except SpecError:
            return
        found.append(instance)

    collect()
    return {f"drawn-{number}": {**one, "namespace": f"n-{number}"} for number, one in enumerate(found[-DRAWN:])}


def is_stack_file(text: str) -> bool:
    documents = [one for one in yaml.safe_load_all(text) if isinstance(one, dict)]
    return len(documents) == 1 and bool((documents[0].get("config") or {}).get(ROOT))


def stack_files() -> dict[str, str]:
    """Return stack files by a name for messages: those of the repository, and those in its pages."""
    files = [*(REPOSITORY / "stacks").glob("Pulumi.*.yaml"), *(REPOSITORY / "examples").glob("**/Pulumi.*.yaml")]
    found = {str(path.relative_to(REPOSITORY)): path.read_text() for path in sorted(files)}
    for page in PAGES:
        for number, text in enumerate(re.findall(r"^```yaml\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL)):
            if is_stack_file(text):
                found[f"{page.name}[{number}]"] = text
    return found


def rendered(folder: Path, text: str) -> str:
    """Return what the command line prints for a stack file, with every object in the test's namespace."""
    (folder / "Pulumi.yaml").write_text((REPOSITORY / "Pulumi.yaml").read_text())
    (folder / "stacks").mkdir(exist_ok=True)
    file = folder / "stacks" / "Pulumi.test.yaml"
    file.write_text(text)
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        code = main(["render", str(file)])
    assert code == 0, out.getvalue()
    return re.sub(r"^( *(?:- )?namespace:) .*$", rf"\1 {NAMESPACE}", out.getvalue(), flags=re.MULTILINE)


def refusals(cluster, manifests: str) -> str:
    """Return what the API server says against objects, each on its own; empty where it takes them all."""
    command = [str(tools.path("kubectl")), "apply", "--server-side", "--dry-run=server", "--validate=strict", "-f", "-"]
    run = subprocess.run(command, input=manifests, capture_output=True, text=True, env=cluster.environment, check=False)
    is_complete = run.stdout.count("serverside-applied") == len(re.findall("^kind:", manifests, re.MULTILINE))
    return run.stderr if run.returncode else "" if is_complete else run.stdout


@pytest.fixture(scope="module")
def namespace(cluster):
    cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
    yield
    cluster.kubectl("delete", "namespace", NAMESPACE, "--wait=false")


@pytest.mark.usefixtures("namespace")
@pytest.mark.parametrize("name", stack_files())
def test_objects_of_an_example_are_accepted(cluster, tmp_path, name):
    assert refusals(cluster, rendered(tmp_path, stack_files()[name])) == ""


@pytest.mark.usefixtures("namespace")
def test_objects_of_drawn_instances_are_accepted(cluster, tmp_path):
    assert len(drawn()) == DRAWN

    manifests = rendered(tmp_path, yaml.safe_dump({"config": {ROOT: drawn()}}, allow_unicode=True))

    assert refusals(cluster, manifests) == ""


@pytest.mark.usefixtures("namespace")
def test_wrong_object_is_refused(cluster, tmp_path):
    """What the tests above rest on: the API server is asked, and its answer is seen."""
    manifests = rendered(tmp_path, next(iter(stack_files().values())))

    assert "volumes" in refusals(cluster, manifests.replace("name: config\n", "name: A b\n"))
