"""What a release pins, and what it refuses."""

import io
import json
import runpy
import shutil
import subprocess
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest
import yaml

from headscale_component.versions import PUBLISHED_SIDECAR, SIDECAR_IMAGE, VERSION
from lab.progress import LabError
from tools import release, release_image
from tools.architecture import ROOTS

TOP = Path(__file__).parents[2]
IMAGE = f"ghcr.io/owner/name/sidecar@sha256:{'0' * 64}"
INFO = f"headscale_component-{VERSION}.dist-info"


@pytest.fixture
def checkout(tmp_path):
    """A copy of the files that `pin` changes."""
    for name in ("headscale_component/versions.py", "templates/python/requirements.txt"):
        (tmp_path / name).parent.mkdir(parents=True)
        shutil.copy(TOP / name, tmp_path / name)
    return tmp_path


def test_checkout_names_an_image_of_no_registry():
    assert PUBLISHED_SIDECAR is None
    assert f"localhost/headscale-sidecar:{VERSION}" == SIDECAR_IMAGE


def test_pin_writes_image_and_address_of_wheel(checkout):
    release.pin(checkout, IMAGE, "https://github.com/owner/name")
    release.pin(checkout, IMAGE, "https://github.com/owner/name")

    assert runpy.run_path(str(checkout / "headscale_component" / "versions.py"))["PUBLISHED_SIDECAR"] == IMAGE
    address = f"https://github.com/owner/name/releases/download/v{VERSION}/{release.WHEEL}"
    requirements = (checkout / "templates" / "python" / "requirements.txt").read_text()
    assert requirements == f"headscale-component @ {address}\n"


@pytest.mark.parametrize("image", ["ghcr.io/owner/name/sidecar:0.1.0", "sidecar", f"{IMAGE}0", ""])
def test_pin_refuses_image_without_digest(checkout, image):
    before = (checkout / "headscale_component" / "versions.py").read_text()

    with pytest.raises(release.ReleaseError, match="is not an image with a digest"):
        release.pin(checkout, image, "https://github.com/owner/name")

    assert (checkout / "headscale_component" / "versions.py").read_text() == before


def a_wheel(folder, *, without=(), more=(), license_="Apache-2.0"):
    """Write a wheel as the build does, with less or more."""
    files = {f"{root}/__init__.py": "" for root in ROOTS} | {
        f"{INFO}/METADATA": f"Metadata-Version: 2.4\nVersion: {VERSION}\nLicense-Expression: {license_}\n",
        f"{INFO}/entry_points.txt": "[console_scripts]\nheadscale-component = headscale_component.__main__:main\n",
        f"{INFO}/licenses/LICENSE": "",
        f"{INFO}/licenses/NOTICE": "",
    }
    with zipfile.ZipFile(folder / "x.whl", "w") as archive:
        for name, content in {**files, **dict.fromkeys(more, "")}.items():
            if name not in without:
                archive.writestr(name, content)
    return folder / "x.whl"


def test_wheel_with_packages_and_licence_passes(tmp_path):
    release.check_wheel(a_wheel(tmp_path))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"more": ["tests/__init__.py"]}, "packages in the wheel"),
        ({"without": ["headscale_core/__init__.py"]}, "packages in the wheel"),
        ({"more": ["headscale_core/__pycache__/x.pyc"]}, "compiled files"),
        ({"without": [f"{INFO}/licenses/LICENSE"]}, "files of the licence"),
        ({"license_": "MIT"}, "licence: 'MIT'"),
    ],
    ids=["tests in it", "a package missing", "compiled", "no licence file", "another licence"],
)
def test_wheel_with_a_fault_is_refused(tmp_path, changes, message):
    with pytest.raises(release.ReleaseError, match=message):
        release.check_wheel(a_wheel(tmp_path, **changes))


DECLARED = {
    "Entrypoint": ["python3", "-m", "headscale_sidecar"],
    "User": "65532:65532",
    "Labels": {"org.opencontainers.image.licenses": "Apache-2.0"},
}


def an_image(folder, config):
    """Write a docker-archive of an image with no layer."""
    files = {"manifest.json": [{"Config": "config.json", "Layers": []}], "config.json": {"config": config}}
    with tarfile.open(folder / "image.tar", "w") as archive:
        for name, content in files.items():
            data = json.dumps(content).encode()
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return folder / "image.tar"


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({}, None),
        ({"Entrypoint": None}, "Entrypoint of the image: None"),
        ({"User": "root"}, "User of the image: 'root'"),
        ({"Labels": None}, "licence of the image: None"),
    ],
    ids=["as it should be", "no entrypoint", "root", "no licence"],
)
def test_image_that_declares_something_else_is_refused(tmp_path, changed, problem):
    found = release_image.config_problems(release_image.config_of(an_image(tmp_path, {**DECLARED, **changed})))

    assert [text.partition(", and not")[0] for text in found] == ([problem] if problem else [])


MISSING = "SECRET_NAME is required and missing"


@pytest.mark.parametrize(("code", "output", "starts"), [(2, MISSING, True), (0, MISSING, False), (2, "bash", False)])
def test_image_that_does_not_start_is_refused(code, output, starts):
    found = release_image.start_problems(subprocess.CompletedProcess([], code, "", output))

    assert bool(found) is not starts
    assert all(f"exit code {code}" in text and output in text for text in found)


def test_dockerfile_declares_what_is_checked():
    lines = (TOP / "images" / "sidecar" / "Dockerfile").read_text().splitlines()

    assert f"ENTRYPOINT {json.dumps(release_image.ENTRYPOINT)}" in lines
    assert f"USER {release_image.USER}" in lines


def test_machine_that_runs_no_images_fails_with_hint(monkeypatch, capsys):
    def none_works():
        raise LabError("neither docker nor podman works", "install one")

    monkeypatch.setattr(release, "check", none_works)

    assert release.main(["check"]) == 1
    assert capsys.readouterr().err == "error: neither docker nor podman works\nhint: install one\n"


def test_every_supported_python_is_tried():
    project = tomllib.loads((TOP / "pyproject.toml").read_text())["project"]
    named = {each.rpartition(" ")[2] for each in project["classifiers"] if each.startswith("Programming Language")}

    assert set(release.PYTHONS) == named - {"3"}


def test_version_is_written_in_one_place():
    pyproject = (TOP / "pyproject.toml").read_text()

    assert "version" in tomllib.loads(pyproject)["project"]["dynamic"]
    assert f'"{VERSION}"' not in pyproject
    assert f"## {VERSION}\n" in (TOP / "CHANGELOG.md").read_text()


def test_template_program_reads_every_setting_it_asks_for():
    template = yaml.safe_load((TOP / "templates" / "python" / "Pulumi.yaml").read_text())["template"]
    program = (TOP / "templates" / "python" / "__main__.py").read_text()

    assert all(f'"{name}")' in program for name in template["config"])
