"""What the API server would refuse in the middle of `pulumi up` is refused before it, at its path."""

import pytest

from headscale_component import HeadscaleArgs, SpecError
from headscale_component.spec import load_instances
from headscale_component.spec.instance_name import name_note

DIGEST = f"sha256:{'a' * 64}"
VOLUME = {"name": "x", "emptyDir": {}}


def an_instance(**changes):
    return {"version": "v0.29.3", "config": {"server_url": "https://vpn.example.com"}, **changes}


def problems(**changes):
    with pytest.raises(SpecError) as caught:
        HeadscaleArgs.model_validate(an_instance(**changes))
    return str(caught.value)


BAD = {
    "labels of no namespace": ({"namespaceLabels": {"team": "a"}}, "namespaceLabels: are set with `createNamespace"),
    "label of a namespace": (
        {"createNamespace": True, "namespaceLabels": {"team": "a b"}},
        "namespaceLabels: `team: a b` is no label",
    ),
    "label of the pod": ({"pod": {"labels": {"-team": "a"}}}, "pod.labels: `-team: a` is no label"),
    "label of a node": ({"pod": {"nodeSelector": {"zone": "a/b"}}}, "pod.nodeSelector: `zone: a/b` is no label"),
    "annotation": ({"pod": {"annotations": {"a b": "x"}}}, "pod.annotations: `a b` is no name of an annotation"),
    "size of annotations": ({"pod": {"annotations": {"a": "x" * 300_000}}}, "pod.annotations: have 300001 bytes"),
    "variable without name": ({"pod": {"env": {"": "x"}}}, "is no name of a variable"),
    "variable with a sign": ({"pod": {"env": {"A=B": "x"}}}, "pod.env.A=B: `A=B` is no name of a variable"),
    "another version beside the digest": (
        {"image": f"headscale/headscale:v0.28.0@{DIGEST}"},
        "image: has the tag `v0.28.0`, and `version` is `v0.29.3`",
    ),
    "file of no volume": ({"files": {"/x/..a": {"inline": "a"}}}, "`..a` is no name of a file in a volume"),
    "long file": ({"files": {f"/x/{'a' * 300}": {"inline": "a"}}}, "at most 255 bytes"),
    "two slashes": ({"files": {"//x/a": {"inline": "a"}}}, "`//x/a` is no absolute path"),
    "too much inline": (
        {"files": {"/x/a": {"inline": "a" * (2**20 + 1)}}},
        "files./x/a.inline: is the largest of inline files of 1048577 bytes together",
    ),
    "volume of ours": (
        {"pod": {"volumes": [{"name": "data", "emptyDir": {}}]}},
        "pod.volumes[0].name: `data` is a volume of this",
    ),
    "volume without name": ({"pod": {"volumes": [{"emptyDir": {}}]}}, "pod.volumes[0].name: is required"),
    "two volumes of one name": ({"pod": {"volumes": [VOLUME, VOLUME]}}, "pod.volumes[1].name: `x` is the name of"),
    "container of ours": (
        {"pod": {"containers": [{"name": "apikey-manager", "image": "x"}]}},
        "pod.containers[0].name: `apikey-manager` is a container of this component",
    ),
    "container without name": ({"pod": {"containers": [{"image": "x"}]}}, "pod.containers[0].name: is required"),
    "mount of no volume": (
        {"pod": {"volumeMounts": [{"name": "x", "mountPath": "/x"}]}},
        "pod.volumeMounts[0].name: `x` is no volume of the pod",
    ),
    "mount over the data": (
        {"pod": {"volumes": [VOLUME], "volumeMounts": [{"name": "x", "mountPath": "/var/lib/headscale"}]}},
        "pod.volumeMounts[0].mountPath: `/var/lib/headscale` is mounted already",
    ),
}


@pytest.mark.parametrize(("changes", "words"), BAD.values(), ids=BAD)
def test_what_kubernetes_refuses_is_refused(changes, words):
    found = problems(**changes)

    assert words in found
    assert len(found.splitlines()) == 1


GOOD = {
    "tag and digest of the version": {"image": f"headscale/headscale:0.29.3@{DIGEST}"},
    "tag of a build of the version": {"image": f"headscale/headscale:v0.29.3-debug@{DIGEST}"},
    "tag of another kind": {"image": f"headscale/headscale:stable@{DIGEST}"},
    "names of the sidecar without it": {
        "apiKey": {"autoManage": False},
        "pod": {
            "containers": [{"name": "apikey-manager", "image": "x"}],
            "volumes": [{"name": "service-account-token", "emptyDir": {}}],
        },
    },
    "mount of our volume": {"pod": {"volumeMounts": [{"name": "data", "mountPath": "/backup", "readOnly": True}]}},
    "label with a prefix": {"pod": {"labels": {"example.com/team": "", "team": "network"}}},
    "variable with a dot": {"pod": {"env": {"a.b-c": "x"}}},
}


@pytest.mark.parametrize("changes", GOOD.values(), ids=GOOD)
def test_what_kubernetes_takes_is_accepted(changes):
    HeadscaleArgs.model_validate(an_instance(**changes))


NAMES = {
    "default": ("default", {}, "is the ServiceAccount of every pod"),
    "kubernetes": ("kubernetes", {"namespace": "default"}, "is the API server's own Service"),
    "long": ("a" * 41, {}, "has room for 40"),
    "no label": ("Vpn", {}, "is no DNS label"),
}


@pytest.mark.parametrize(("name", "changes", "words"), NAMES.values(), ids=NAMES)
def test_name_that_cannot_be_is_refused(name, changes, words):
    with pytest.raises(SpecError, match=words) as caught:
        load_instances({name: an_instance(**changes)})

    assert caught.value.problems[0].path == ("headscale:instances", name)


def test_default_is_free_without_the_sidecar():
    assert list(load_instances({"default": an_instance(apiKey={"autoManage": False})})) == ["default"]


def test_namespace_labels_that_contradict_are_refused():
    enforce = "pod-security.kubernetes.io/enforce"
    instances = {
        name: an_instance(createNamespace=True, namespaceLabels={enforce: level}, apiKey={"secretName": name})
        for name, level in (("one", "restricted"), ("two", "privileged"))
    }

    with pytest.raises(SpecError, match=f'two.namespaceLabels\\["{enforce}"\\]: is `restricted` by instance `one`'):
        load_instances(instances)


@pytest.mark.parametrize(("name", "count"), [("1vpn", 1), ("vpn1", 0)])
def test_digit_first_is_warned_of(name, count):
    assert list(load_instances({name: an_instance()})) == [name]
    assert len(list(name_note(name))) == count
