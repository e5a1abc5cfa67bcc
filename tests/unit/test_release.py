"""What a release pins, and what it refuses."""

import runpy
import shutil
import tomllib
import zipfile
from pathlib import Path

import pytest
import yaml

from headscale_component.versions import PUBLISHED_SIDECAR, SIDECAR_IMAGE, VERSION
from tools import release
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
