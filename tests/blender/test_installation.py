"""The backend's own environment, with a package and a check of the tests' own in place of PyTorch."""

from __future__ import annotations

import json
import sys
import time
import tomllib
import zipfile
from collections.abc import Callable
from pathlib import Path

import bpy
import pytest
from diffbmp.backend.job import UserError
from diffbmp.operators import environment, install, installation, packages, pythons
from diffbmp.operators.installation import Installation, environment_python, remove_environment, state_of
from diffbmp.operators.packages import CUDA_PACKAGES, PACKAGES, TORCH, Card, Plan, plan
from diffbmp.operators.pythons import Interpreter, find_python

ROOT = Path(__file__).resolve().parent.parent.parent
VERSION = f"{sys.version_info[0]}.{sys.version_info[1]}"
SOUND = {"engines": [{"name": "cpu", "works": True, "device": "2 threads", "cause": None, "image_error": 0.0}]}


def write_wheel(folder: Path) -> None:
    """A package without anything in it."""
    folder.mkdir()
    with zipfile.ZipFile(folder / "tiny-1.0-py3-none-any.whl", "w") as archive:
        archive.writestr("tiny.py", "")
        archive.writestr("tiny-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n")
        archive.writestr("tiny-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr("tiny-1.0.dist-info/RECORD", "tiny.py,,\ntiny-1.0.dist-info/RECORD,,\n")


def planned(wheels: Path, package: str = "tiny") -> Callable[[], Plan]:
    calls = [["--no-index", "--find-links", str(wheels), package]]
    return lambda: Plan(calls, "From a folder", 0, 1, (VERSION,))


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with spaces and other letters. The check of the environment finds all sound."""
    write_wheel(tmp_path / "wheels")
    check = ["-c", f"import tiny; print({json.dumps(json.dumps(SOUND))})"]
    monkeypatch.setattr(installation, "backend_command", lambda python, cache, *arguments: [python, *check])
    return tmp_path / "an environment é"


def ended(task: Installation) -> Installation:
    deadline = time.monotonic() + 60
    while task.active and time.monotonic() < deadline:
        time.sleep(0.02)
    return task


def installed(place: Path, package: str = "tiny") -> Installation:
    log = place.parent / "log"
    return ended(Installation(place, log, place.parent / "cache", planned(place.parent / "wheels", package)))


def test_an_environment_is_made_found_and_removed(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert state_of(place) == "none"
    failed = installed(place, "nowhere")
    assert failed.failure is not None
    assert failed.failure.message.startswith("Installing failed: No matching distribution found for nowhere")
    assert state_of(place) == "begun"
    task = installed(place)
    assert task.failure is None
    assert task.verdict == "The backend works, proven equal to the reference: cpu on 2 threads"
    assert state_of(place) == "whole"
    assert sorted(path.name for path in place.iterdir()) == ["diffbmp.json", "venv"]
    chosen = bpy.context.preferences.addons["diffbmp"].preferences
    chosen.python, chosen.folder = "", str(place)
    assert environment.backend_python() == str(environment_python(place))
    monkeypatch.setattr(installation, "_REQUIREMENTS", ["more"])
    assert state_of(place) == "old"
    (place / "mine.txt").write_text("a user's own")
    assert bpy.ops.diffbmp.remove_backend() == {"FINISHED"}
    assert [path.name for path in place.iterdir()] == ["mine.txt"]
    with pytest.raises(UserError, match="holds no environment of DiffBMP"):
        remove_environment(place)


def test_a_cancel_keeps_what_is_there(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slow = [sys.executable, "-c", "import time; print('Downloading torch', flush=True); time.sleep(60)"]
    monkeypatch.setattr(installation, "find_python", lambda versions: Interpreter(sys.executable, VERSION))
    launch = Installation._launch
    monkeypatch.setattr(Installation, "_launch", lambda self, command, *rest: launch(self, slow, *rest))
    task = Installation(place, place.parent / "log", place.parent, planned(place.parent / "wheels"))
    while not task.tail:
        assert task.active
        time.sleep(0.02)
    assert task.update()
    begin = time.monotonic()
    task.stop()
    assert not task.active
    assert time.monotonic() - begin < 1.0
    assert task.failure is not None
    assert task.failure.message.startswith("Cancelled: what has been downloaded is kept")
    assert state_of(place) == "begun"


def test_what_cannot_be_is_said(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place.mkdir()
    (place / "thesis.txt").write_text("")
    task = installed(place)
    assert task.failure is not None
    assert "holds other things: choose a new or an empty folder" in task.failure.message
    (place / "thesis.txt").unlink()
    huge = lambda: Plan([], "", 0, 10**9)  # noqa: E731
    task = ended(Installation(place, place.parent / "log", place.parent, huge))
    assert task.failure is not None
    assert "The backend needs about 1000000.0 GB" in task.failure.message
    assert not list(place.iterdir())
    monkeypatch.setattr(pythons, "_places", lambda versions: [str(place / "python"), sys.executable])
    assert find_python((VERSION,)).version == VERSION
    with pytest.raises(UserError, match=r"No Python 3\.5 or 3\.6 was found"):
        find_python(("3.5", "3.6"))


def test_the_packages_are_those_of_the_project() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert sorted(project["dependencies"]) == sorted([TORCH, *PACKAGES])
    extras = project["optional-dependencies"]
    assert [extras["cuda12"], extras["cuda13"]] == [list(CUDA_PACKAGES["cu12"]), list(CUDA_PACKAGES["cu13"])]


@pytest.mark.parametrize(
    ("driver", "variant", "cuda"),
    [("595.71.05", "cu130", "cu13"), ("572.16", "cu128", "cu12"), ("535.104", "cu126", "cu12"), ("470.1", "cpu", "")],
)
def test_pytorch_is_that_of_the_driver(driver: str, variant: str, cuda: str) -> None:
    made = plan("auto", Card("RTX", driver), system="win32")
    assert made.calls[0] == ["--index-url", f"https://download.pytorch.org/whl/{variant}", TORCH]
    assert set(CUDA_PACKAGES.get(cuda, ())) == set(made.calls[1]) - set(PACKAGES)
    assert ("too old" in made.why) == (variant == "cpu")


def test_other_plans(tmp_path: Path) -> None:
    assert plan("auto", None, system="linux").calls[0][1].endswith("/cpu")
    assert plan("cpu", Card("RTX", "600.0"), system="linux").calls[0][1].endswith("/cpu")
    assert plan("auto", None, system="darwin").calls == [[TORCH, *PACKAGES]]
    assert plan("auto", None, "https://own/simple", system="linux").calls[0][:2] == [
        "--index-url",
        "https://own/simple",
    ]
    with pytest.raises(UserError, match="No NVIDIA driver answers"):
        plan("nvidia", None)
    with pytest.raises(UserError, match="is too old: update it to 525"):
        plan("nvidia", Card("GTX", "390.1"), system="linux")
    with pytest.raises(UserError, match="holds no wheel of torch: fill it by `pip download"):
        plan("auto", None, wheels=tmp_path)
    (tmp_path / "torch-2.13.0+cpu-cp311-cp311-manylinux_2_28_x86_64.whl").touch()
    made = plan("auto", None, wheels=tmp_path)
    assert made.versions == ("3.11",)
    assert made.calls[0][:3] == ["--no-index", "--find-links", str(tmp_path)]
    (tmp_path / "cuda_bindings-13.5.0-cp311-cp311-x.whl").touch()
    assert set(CUDA_PACKAGES["cu13"]) < set(plan("auto", None, wheels=tmp_path).calls[0])


def test_without_online_access_nothing_is_downloaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not bpy.app.online_access
    with pytest.raises(RuntimeError, match="Online access is disabled: allow it"):
        bpy.ops.diffbmp.install_backend()
    chosen = bpy.context.preferences.addons["diffbmp"].preferences
    chosen.wheels, chosen.folder = str(tmp_path), str(tmp_path / "new")
    monkeypatch.setattr(install, "nvidia_card", lambda: None)
    with pytest.raises(RuntimeError, match="holds no wheel of torch"):
        bpy.ops.diffbmp.install_backend()
    assert not chosen.works
    assert not (tmp_path / "new").exists()


def test_what_other_software_sets_does_not_reach_the_backend(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PYTHONPATH", "PIP_INDEX_URL", "CONDA_PREFIX", "LD_PRELOAD", "VIRTUAL_ENV", "PIP_CERT", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "x")
    found = packages.clean_environment()
    assert {"PIP_CERT", "HTTPS_PROXY", "PATH"} <= set(found)
    assert not {"PYTHONPATH", "PIP_INDEX_URL", "CONDA_PREFIX", "LD_PRELOAD", "VIRTUAL_ENV"} & set(found)
