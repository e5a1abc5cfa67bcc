"""What the API server would refuse, or silently replace, is refused before anything is made."""

import re
from typing import Any

import pytest

from headscale_component import SpecError, load_instances
from headscale_component.manifests import files
from headscale_component.render import documents
from headscale_component.spec import HeadscaleArgs, pod_rules
from headscale_component.spec.model import EncryptedValue
from tools import pod_types

CONFIG = {"server_url": "https://vpn.example.com"}
DIGEST = f"sha256:{64 * 'a'}"
VOLUME = {"name": "scratch", "emptyDir": {}}
KEY = {"tags": ["tag:a"]}
LOGIN = {"issuer": "https://id.example.com", "client_id": "a"}


def an_instance(**changes: Any) -> dict[str, Any]:
    return {"version": "v0.28.0", "config": CONFIG, **changes}


def a_pod(**changes: Any) -> dict[str, Any]:
    return an_instance(pod=changes)


def problems(instances: dict[Any, Any]) -> list[str]:
    try:
        load_instances(instances)
    except SpecError as error:
        return [str(problem).removeprefix("headscale:instances.") for problem in error.problems]
    return []


REFUSED = {
    "an unknown field of a volume": (a_pod(volumes=[{"name": "a", "emptydir": {}}]), "pod.volumes[0].emptydir"),
    "a volume without a name": (a_pod(volumes=[{"emptyDir": {}}]), "pod.volumes[0].name"),
    "a volume of two kinds": (a_pod(volumes=[VOLUME | {"hostPath": {"path": "/a"}}]), "pod.volumes[0]"),
    "a volume of no kind": (a_pod(volumes=[{"name": "a"}]), "pod.volumes[0]"),
    "a bad name of a volume": (a_pod(volumes=[VOLUME | {"name": "A b"}]), "pod.volumes[0].name"),
    "our volume": (a_pod(volumes=[VOLUME | {"name": "data"}]), "pod.volumes[0].name"),
    "our volume of files": (
        an_instance(pod={"volumes": [VOLUME | {"name": "files-0"}]}, files={"/x/a": {"inline": ""}}),
        "pod.volumes[0].name",
    ),
    "two volumes of one name": (a_pod(volumes=[VOLUME, VOLUME]), "pod.volumes[1].name"),
    "a text for a number": (a_pod(tolerations=[{"key": "a", "tolerationSeconds": "1"}]), "pod.tolerations[0].toler"),
    "an unknown word": (a_pod(tolerations=[{"key": "a", "effect": "No"}]), "pod.tolerations[0].effect"),
    "a value with Exists": (a_pod(tolerations=[{"operator": "Exists", "value": "a"}]), "pod.tolerations[0].value"),
    "a toleration of nothing": (a_pod(tolerations=[{}]), "pod.tolerations[0]"),
    "an unknown field of affinity": (a_pod(affinity={"nodeAffinty": {}}), "pod.affinity.nodeAffinty"),
    "an amount of nothing": (a_pod(resources={"requests": {"cpu": "lots"}}), "pod.resources.requests.cpu"),
    "an unknown field of resources": (a_pod(resources={"request": {}}), "pod.resources.request"),
    "a container without a name": (a_pod(containers=[{"image": "a"}]), "pod.containers[0].name"),
    "a container without an image": (a_pod(containers=[{"name": "a"}]), "pod.containers[0].image"),
    "our container": (a_pod(containers=[{"name": "headscale", "image": "a"}]), "pod.containers[0].name"),
    "our port": (
        a_pod(containers=[{"name": "a", "image": "a", "ports": [{"containerPort": 8080}]}]),
        "pod.containers[0].ports[0].containerPort",
    ),
    "the sidecar's port": (an_instance(config={**CONFIG, "listen_addr": "0.0.0.0:8081"}), "config.listen_addr"),
    "a mount over ours": (
        a_pod(volumes=[VOLUME], volumeMounts=[{"name": "scratch", "mountPath": "/etc/headscale/"}]),
        "pod.volumeMounts[0].mountPath",
    ),
    "two mounts at one path": (
        a_pod(volumes=[VOLUME], volumeMounts=2 * [{"name": "scratch", "mountPath": "/a"}]),
        "pod.volumeMounts[1].mountPath",
    ),
    "a mount without a name": (a_pod(volumeMounts=[{"mountPath": "/a"}]), "pod.volumeMounts[0].name: is required"),
    "a mount of no volume": (a_pod(volumeMounts=[{"name": "a", "mountPath": "/a"}]), "pod.volumeMounts[0].name"),
    "a container's mount of no volume": (
        a_pod(containers=[{"name": "a", "image": "a", "volumeMounts": [{"name": "b", "mountPath": "/b"}]}]),
        "pod.containers[0].volumeMounts[0].name",
    ),
    "a bad label": (a_pod(labels={"a b": "c"}), "pod.labels"),
    "a bad value of a label": (a_pod(labels={"a": "b c"}), "pod.labels"),
    "our label": (a_pod(labels={"app.kubernetes.io/managed-by": "me"}), "pod.labels"),
    "a bad annotation": (a_pod(annotations={"a b": "c"}), "pod.annotations"),
    "annotations beyond measure": (a_pod(annotations={"a": 262144 * "b"}), "pod.annotations"),
    "a bad selector": (a_pod(nodeSelector={"a/b/c": "d"}), "pod.nodeSelector"),
    "a bad variable": (a_pod(env={"A=B": "c"}), "pod.env.A=B"),
    "a bad priority class": (a_pod(priorityClassName="A b"), "pod.priorityClassName"),
    "labels of no namespace": (an_instance(namespaceLabels={"a": "b"}), "namespaceLabels"),
    "a bad label of a namespace": (an_instance(createNamespace=True, namespaceLabels={"a b": ""}), "namespaceLabels"),
    "a bad label of a Secret": (an_instance(apiKeys={"a": {"secretLabels": {"a..b/c": ""}}}), "apiKeys.a.secretLabels"),
    "a Secret to pull with twice": (an_instance(imagePullSecrets=["a", "a"]), "imagePullSecrets[1]"),
    "a Secret to pull with of a key": (an_instance(imagePullSecrets=["a"], preAuthKeys={"a": KEY}), "imagePullSec"),
    "a login's Secret of a key": (
        an_instance(
            config={**CONFIG, "oidc": LOGIN | {"client_secret": {"secretKeyRef": {"name": "a", "key": "b"}}}},
            preAuthKeys={"a": KEY},
        ),
        "config.oidc.client_secret.secretKeyRef.name",
    ),
    "a key with a slash": (
        an_instance(files={"/x/a": {"secretKeyRef": {"name": "a", "key": "a/b"}}}),
        "files./x/a.secretKeyRef.key",
    ),
    "a file of two points": (an_instance(files={"/x/..a": {"inline": ""}}), 'files["/x/..a"]'),
    "a control character in a file": (an_instance(files={"/x/a": {"inline": "a\x81"}}), "files./x/a.inline"),
    "a control character in a variable": (a_pod(env={"A": "\x7f"}), "pod.env.A"),
    "a control character in a path": (an_instance(files={"/x/\x9e": {"inline": ""}}), "files"),
    "a long name of a file": (an_instance(files={f"/x/{128 * 'ü'}": {"inline": ""}}), "files./x/"),
    "two slashes": (an_instance(files={"//x/a": {"inline": ""}}), "files.//x/a"),
    "a file beyond measure": (an_instance(files={"/x/a": {"inline": (2**20 + 1) * "a"}}), "files./x/a.inline"),
    "no image": (an_instance(image=""), "image"),
    "an image with a tag": (an_instance(image="a/b:v1"), "image"),
    "an image in capitals": (an_instance(image="Headscale/Headscale"), "image"),
    "an image with a scheme": (an_instance(image="http://a/b"), "image"),
    "a short digest": (an_instance(image=f"a@sha256:{32 * 'a'}"), "image"),
    "a digest in capitals": (an_instance(image=f"a@sha256:{64 * 'A'}"), "image"),
    "a bad image of the sidecar": (an_instance(apiKey={"managerImage": "A b"}), "apiKey.managerImage"),
    "a moment": (an_instance(preAuthKeys={"a": KEY | {"expiration": "1us"}}), "preAuthKeys.a.expiration"),
    "no time to be ready": (an_instance(readyTimeout="100ms"), "readyTimeout"),
    "a version of other digits": (an_instance(version="v\u0660.28.0"), "version"),
    "a version with a leading zero": (an_instance(version="v00.28.0"), "version"),
    "a version with an empty part": (an_instance(version="v0.28.0-beta..1"), "version"),
    "no room": (an_instance(persistentVolumeClaim={"size": "0Gi"}), "persistentVolumeClaim.size"),
    "a bad storage class": (
        an_instance(persistentVolumeClaim={"storageClassName": "A b"}),
        "persistentVolumeClaim.storageClassName",
    ),
    "a flag as replicas": (an_instance(replicas=True), "replicas"),
}


@pytest.mark.parametrize(("instance", "path"), REFUSED.values(), ids=REFUSED)
def test_what_kubernetes_refuses_is_one_problem(instance, path):
    (problem,) = problems({"vpn": instance})

    assert problem.startswith(f"vpn.{path}")


def test_every_problem_of_several_volumes_is_found():
    volumes = [VOLUME | {"name": "data"}, {"name": "a", "emptydir": {}}, VOLUME, VOLUME]
    mounts = [{"mountPath": "/a"}, {"name": "a", "mountPath": "/b"}, {"name": "b", "mountPath": "/c"}]

    assert [
        problem.partition(": ")[0] for problem in problems({"vpn": a_pod(volumes=volumes, volumeMounts=mounts)})
    ] == [
        "vpn.pod.volumes[1].emptydir",
        "vpn.pod.volumeMounts[0].name",
        "vpn.pod.volumes[0].name",
        "vpn.pod.volumes[3].name",
        "vpn.pod.volumeMounts[2].name",
    ]


TAKEN = {
    "default without a sidecar": {"default": an_instance(apiKey={"autoManage": False})},
    "a digit first, from Kubernetes 1.36 on": {"1vpn": an_instance()},
    "kubernetes elsewhere": {"kubernetes": an_instance()},
    "an image with tag and digest": {"vpn": an_instance(image=f"localhost:5000/a/b:v1@{DIGEST}")},
    "a mount of ours elsewhere": {"vpn": a_pod(volumeMounts=[{"name": "data", "mountPath": "/copy", "subPath": "a"}])},
    "a bare number of processors": {"vpn": a_pod(resources={"limits": {"cpu": 2}})},
    "values of Pulumi's": {"vpn": a_pod(volumes=[{"name": EncryptedValue(), "emptyDir": EncryptedValue()}])},
    "replicas in quotes": {"vpn": an_instance(replicas="0")},
}


@pytest.mark.parametrize("instances", TAKEN.values(), ids=TAKEN)
def test_what_kubernetes_takes_is_taken(instances):
    assert problems(instances) == []


def test_other_spelling_is_rendered_in_camel_case():
    volume = {"name": "a", "azure_disk": {"disk_name": "b", "disk_uri": "c"}}

    assert HeadscaleArgs.model_validate(a_pod(volumes=[volume])).pod.volumes == (
        {"name": "a", "azureDisk": {"diskName": "b", "diskURI": "c"}},
    )


def test_every_inline_file_has_its_own_key():
    paths = ("/etc/a/b.crt", "/etc/a.b/crt", "/x/ü", "/x/ä", "/x/a b", "/x/a.b", f"/{120 * 'a'}/{200 * 'b'}")
    spec = HeadscaleArgs.model_validate(an_instance(files={path: {"inline": path} for path in paths}))

    data = files.inline_data(spec)

    assert set(data.values()) == set(paths)
    assert data["files.etc.a.b.crt"] == "/etc/a.b/crt"
    assert all(re.fullmatch(r"[-._a-zA-Z0-9]{1,253}", key) for key in data)


def test_long_version_makes_a_valid_label():
    rendered = documents("vpn", HeadscaleArgs.model_validate(an_instance(version=f"v0.28.0-{54 * 'a'}.b")))

    assert rendered[0]["metadata"]["labels"]["app.kubernetes.io/version"] == f"v0.28.0-{54 * 'a'}"


def test_rules_know_the_containers_that_are_made():
    spec = HeadscaleArgs.model_validate(an_instance())
    pod = next(made for made in documents("vpn", spec) if made["kind"] == "StatefulSet")["spec"]

    made = [container["name"] for container in pod["template"]["spec"]["containers"]]
    assert made == pod_rules.containers_of_component(spec)


def test_types_are_kept_without_descriptions():
    group = "io.k8s.api.core.v1."
    inner = {"allOf": [{"$ref": f"#/components/schemas/{group}Inner"}], "description": "a", "default": {}}
    part = {"type": "object", "properties": {"inner": inner}, "required": ["inner"]}
    schemas = {f"{group}{name}": part for name in pod_types.PARTS} | {
        f"{group}Inner": {"type": "object", "properties": {"again": {"$ref": f"#/components/schemas/{group}Inner"}}}
    }

    types = pod_types.types_of(schemas)

    assert types["Volume"] == {"type": "object", "properties": {"inner": {"$ref": "Inner"}}, "required": ["inner"]}
    assert types["Inner"] == {"type": "object", "properties": {"again": {"$ref": "Inner"}}}
