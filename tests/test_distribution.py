"""The wheel: what is in it, how large it is, and that it runs where nothing else of ours is."""

import os
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LARGEST = 15_000_000
"""Bytes that the wheel may have."""

CONTENTS = (
    "imprint/py.typed",
    *(f"imprint/data/embedded/{part}-images-idx3-ubyte.gz" for part in ("train", "t10k")),
    *(f"imprint/data/embedded/{part}-labels-idx1-ubyte.gz" for part in ("train", "t10k")),
    "imprint/data/embedded/LICENSE-MNIST.md",
)

# One worker builds, and runs all of these tests.


def run(*command, cwd):
    """Run a command away from the source tree; its output, once it has succeeded."""
    lead_back = ("PYTHONPATH", "IMPRINT_DATA")
    environment = {key: value for key, value in os.environ.items() if key not in lead_back}
    done = subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A folder with both distributions; the wheel comes out of the unpacked source one."""
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, ROOT, cwd=folder)
    return folder


@pytest.fixture(scope="module")
def wheel(built):
    (path,) = built.glob("imprint-*.whl")
    return path


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """An environment's python: only the wheel is installed there, its dependencies are lent."""
    folder = tmp_path_factory.mktemp("empty")
    run(sys.executable, "-m", "venv", "--without-pip", folder / "venv", cwd=folder)
    python = folder / "venv" / "bin" / "python"
    install = ("install", "--quiet", "--no-deps", "--no-index", wheel)
    run(sys.executable, "-m", "pip", "--python", python, *install, cwd=folder)
    # A path file lends what lies in a folder, yet follows no path files there: an editable
    # installation of the source tree stays behind.
    site = sysconfig.get_path("purelib", vars={"base": str(folder / "venv")})
    Path(site, "lent.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return python


def test_the_wheel_is_small_enough(wheel):
    assert wheel.stat().st_size <= LARGEST


def test_the_wheel_holds_data_types_and_templates(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    assert [name for name in CONTENTS if name not in names] == []
    source = ROOT / "src" / "imprint" / "report" / "templates"
    templates = [file for file in source.rglob("*") if file.is_file()]
    held = {Path(name).name for name in names if name.startswith("imprint/report/templates/")}
    assert templates
    assert {file.name for file in templates} == held


def test_the_wheel_holds_all_of_the_source_and_nothing_else(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    source = ROOT / "src"
    files = {str(file.relative_to(source)) for file in source.rglob("*.py")}
    assert {name for name in names if name.endswith(".py")} == files
    assert {name.split("/")[0] for name in names if ".dist-info" not in name} == {"imprint"}


def test_both_licences_are_in_the_wheel(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    licences = [name for name in names if ".dist-info/licenses/" in name]
    assert sorted(Path(name).name for name in licences) == ["LICENSE", "LICENSE-MNIST.md"]


def test_both_distributions_pass_twine(built):
    files = sorted(built.iterdir())
    assert len(files) == 2
    assert "PASSED" in run(sys.executable, "-m", "twine", "check", "--strict", *files, cwd=built)


def test_the_installed_package_is_the_wheels(installed, tmp_path):
    place = run(installed, "-c", "import imprint; print(imprint.__file__)", cwd=tmp_path)
    assert Path(place.strip()).is_relative_to(installed.parents[1])


def test_the_installed_command_shows_its_help(installed, tmp_path):
    assert "train" in run(installed.with_name("imprint"), "--help", cwd=tmp_path)


def test_the_installed_package_has_mnist(installed, tmp_path):
    code = "import imprint; data = imprint.load('mnist'); print(len(data.train), len(data.test))"
    assert run(installed, "-c", code, cwd=tmp_path) == "60000 10000\n"
