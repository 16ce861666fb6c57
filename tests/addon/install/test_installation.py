"""Installing, cancelling, resuming and removing the backend's environment, with tiny packages and no network."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import bpy
import pytest
from diffbmp.backend.job import UserError
from diffbmp.operators.install import buttons, env_folder, environment, lock, steps
from diffbmp.operators.install.env_folder import BackendFolder, Marker
from diffbmp.operators.install.environment import backend_python, own_folder
from diffbmp.operators.install.installation import Installation
from diffbmp.operators.install.packages import Card, Plan
from diffbmp.operators.process import child
from diffbmp.operators.session.slots import INSTALL, RUN

from tests.addon.support.wheels import VERSION, add_to_index, write_backend_wheels, write_lock, write_wheel

DOCTOR = """
print('{"engines": [{"name": "cpu", "works": true, "device": "1 CPU thread", "cause": "", "image_error": 0.0}]}')
"""
SLOW_DOCTOR = """
import os, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
open("pids.new", "w").write(f"{os.getpid()} {child.pid}")
os.rename("pids.new", "pids")
time.sleep(600)
"""

Play = Callable[[str], None]


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_backend_wheels(tmp_path_factory.mktemp("wheels ü"))


@pytest.fixture(autouse=True)
def play(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Play:
    """Installs tiny packages, and replaces the doctor by a script."""

    def play(doctor: str) -> None:
        def command(python: str, cache: Path, *arguments: str) -> list[str]:
            return [python, "-I", "-c", f"import os, torch; os.chdir({str(tmp_path)!r})\n{doctor}"]

        monkeypatch.setattr(steps, "backend_command", command)

    monkeypatch.setattr(steps, "PACKAGES", ("tinypictures>=1",))
    play(DOCTOR)
    return play


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Starts each test without an existing Python, as for a new user."""
    bpy.context.preferences.addons["diffbmp"].preferences.python = ""
    monkeypatch.setattr(environment, "PACKAGES", ("tinypictures>=1",))
    yield
    assert INSTALL.task is None


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory, wheels: Path) -> BackendFolder:
    """A folder with an environment and no packages: made once, because it takes time."""
    folder = BackendFolder(tmp_path_factory.mktemp("begun") / "an env ü")
    task = follow(Installation(Plan(folder, folder.path.parent / "log", folder.path.parent, wheels)))
    assert task.message.startswith("The wheel folder has no numpy"), task.message
    return folder


@pytest.fixture
def folder(begun: BackendFolder, tmp_path: Path) -> BackendFolder:
    """The test's own copy of a begun installation."""
    shutil.copytree(begun.path, tmp_path / "an env ü", symlinks=True)
    folder = BackendFolder(tmp_path / "an env ü")
    base = begun.marker
    assert base
    folder.write_marker(Marker(base=base.base, python=VERSION))
    bpy.context.preferences.addons["diffbmp"].preferences.folder = str(folder.path)
    return folder


def follow(task: Installation, until: Callable[[], bool] = lambda: False) -> Installation:
    end = time.monotonic() + 60
    while task.active and not until():
        assert time.monotonic() < end, task.state
        task.update()
        time.sleep(0.01)
    return task


def plan(folder: BackendFolder, wheels: Path | None, **others: Any) -> Plan:
    return Plan(folder, folder.path.parent / "install.log", folder.path.parent / "byte code", wheels, **others)


def is_alive(process_id: int) -> bool:
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{process_id}/status")
    return not (status.exists() and "State:\tZ" in status.read_text(encoding="utf-8"))


def test_a_script_installs_uses_and_removes(
    wheels: Path, folder: BackendFolder, capfd: pytest.CaptureFixture[str]
) -> None:
    assert bpy.ops.diffbmp.install_backend(wheels=str(wheels)) == {"FINISHED"}
    chosen = bpy.context.preferences.addons["diffbmp"].preferences
    assert (chosen.verdict, chosen.works) == ("Ready: 1 CPU thread, proven equal to the reference", True)
    assert "DiffBMP: " in capfd.readouterr().out
    assert backend_python() == str(folder.interpreter)
    marker = folder.marker
    assert marker
    assert marker.whole
    assert marker.packages["torch"] == "9.0+cpu"
    assert marker.packages["tinynumbers"] == "1.0"
    assert marker.requirements == ["torch>=2.11", "tinypictures>=1"]
    assert not folder.cache.exists()
    log = buttons.install_log().read_text(encoding="utf-8")
    assert "Successfully installed" in log
    assert "--no-index" in log

    assert bpy.ops.diffbmp.remove_backend() == {"FINISHED"}
    assert not folder.path.exists()
    assert backend_python() == sys.executable


@pytest.mark.skipif(sys.platform == "win32", reason="asks for processes by signals")
def test_cancel_ends_every_process_and_install_resumes(
    play: Play, wheels: Path, folder: BackendFolder, tmp_path: Path
) -> None:
    play(SLOW_DOCTOR)
    task = Installation(plan(folder, wheels))
    follow(task, (tmp_path / "pids").exists)
    pids = [int(pid) for pid in (tmp_path / "pids").read_text(encoding="utf-8").split()]
    assert all(map(is_alive, pids))
    task.cancel()
    follow(task)
    end = time.monotonic() + 60
    while any(map(is_alive, pids)) and time.monotonic() < end:  # the system takes a moment
        time.sleep(0.01)
    assert not any(map(is_alive, pids))
    assert (task.works, task.action) == (False, "install")
    assert task.message == "Cancelled: press Install to resume"
    assert folder.flaw().startswith("The backend's installation is not complete")

    play(DOCTOR)
    made = folder.interpreter.lstat().st_mtime_ns
    task = follow(Installation(plan(folder, wheels)))
    assert task.works
    assert folder.interpreter.lstat().st_mtime_ns == made
    assert folder.flaw() == ""
    assert task.state.fraction == 1.0
    assert 0 < len(task.state.tail) <= 6


def test_stopping_at_once_leaves_nothing_running(wheels: Path, folder: BackendFolder) -> None:
    task = Installation(plan(folder, wheels))
    task.stop()
    assert not task.active
    assert not task.works


def test_a_half_unpacked_package_is_installed_again(wheels: Path, folder: BackendFolder) -> None:
    assert follow(Installation(plan(folder, wheels))).works
    (info,) = folder.env.glob("**/torch-*.dist-info")
    (module,) = folder.env.glob("**/torch.py")
    module.unlink()
    (info / "RECORD").unlink()
    task = follow(Installation(plan(folder, wheels)))
    assert task.works, task.message
    assert module.exists()
    assert (info / "RECORD").is_file()


def test_a_child_ends_with_its_parent(tmp_path: Path) -> None:
    """The parent's end closes the child's stdin."""
    (tmp_path / "waits.py").write_text("import time\ntime.sleep(60)\n", encoding="utf-8")
    command = child.leashed_module(sys.executable, "waits")
    command.remove("-I")  # so that the module is found here
    process = child.Child(command, tmp_path)
    assert process._process.stdin
    time.sleep(0.3)
    assert process._process.poll() is None
    process._process.stdin.close()
    assert process._process.wait(5) == 1
    process.wait()


def test_a_backend_that_fails_its_check_is_not_whole(play: Play, wheels: Path, folder: BackendFolder) -> None:
    play("raise SystemExit('torch: undefined symbol')")
    with pytest.raises(RuntimeError, match="The backend does not work: torch: undefined symbol"):
        bpy.ops.diffbmp.install_backend(wheels=str(wheels))
    assert not bpy.context.preferences.addons["diffbmp"].preferences.works
    assert "is not complete" in folder.flaw()
    assert backend_python() == sys.executable


def test_a_missing_package_is_named(wheels: Path, folder: BackendFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steps, "PACKAGES", ("tinymovies>=1",))
    task = follow(Installation(plan(folder, wheels)))
    assert task.message.startswith(f"The wheel folder has no tinymovies for Python {VERSION}: add it")
    assert task.action == "show_log"


def test_a_full_disk_is_reported_before_anything_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wheels = write_backend_wheels(tmp_path / "wheels")
    with open(next(wheels.glob("torch*")), "ab") as file:
        file.truncate(900_000_000)  # a hole: nothing is written
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(env_folder.shutil, "disk_usage", lambda path: usage._replace(free=340_000_000))
    task = follow(Installation(plan(BackendFolder(tmp_path / "new"), wheels)))
    assert "has 340 MB free, and 4.0 GB are needed: make room" in task.message
    assert not (tmp_path / "new").exists()


def test_other_files_are_neither_used_nor_removed(wheels: Path, folder: BackendFolder, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.png").touch()
    photos = BackendFolder(tmp_path / "photos")
    assert "holds other files: choose an empty one" in follow(Installation(plan(photos, wheels))).message
    with pytest.raises(UserError, match="holds no environment of the add-on: nothing is removed"):
        photos.remove()
    (folder.path / "mine.txt").touch()
    folder.remove()
    assert [path.name for path in folder.path.iterdir()] == ["mine.txt"]


def test_the_network_is_not_used_without_permission(folder: BackendFolder) -> None:
    if bpy.app.online_access:
        pytest.skip("Blender was allowed to go online")
    with pytest.raises(RuntimeError, match="Blender is not allowed to go online: allow it in the preferences"):
        bpy.ops.diffbmp.install_backend()
    with pytest.raises(RuntimeError, match="nowhere does not exist: choose the folder that holds"):
        bpy.ops.diffbmp.install_backend(wheels=str(folder.path / "nowhere"))


def test_a_python_of_another_version_is_refused(tmp_path: Path, folder: BackendFolder) -> None:
    other = "3.13" if VERSION == "3.11" else "3.11"
    tag = write_backend_wheels(tmp_path / "wheels")
    (torch,) = tag.glob("torch*")
    digits = VERSION.replace(".", "")
    torch.rename(torch.with_name(torch.name.replace(f"cp{digits}", f"cp{other.replace('.', '')}")))
    task = follow(Installation(plan(folder, tag, python=sys.executable)))
    assert task.message.endswith(f"is not a Python {other} that can make environments")


def test_an_environment_of_a_deleted_python_is_not_used(folder: BackendFolder, tmp_path: Path) -> None:
    folder.write_marker(Marker(True, VERSION, str(tmp_path / "gone"), 1))
    assert folder.flaw().startswith(f"The backend's Python {tmp_path / 'gone'} is gone: press Install")
    (folder.path / "diffbmp.json").write_text("{", encoding="utf-8")
    assert folder.marker is None


def test_remove_says_why_it_is_disabled(folder: BackendFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(RUN, "task", object())
    with pytest.raises(RuntimeError, match="An optimization is running: wait until it ends, or cancel it"):
        bpy.ops.diffbmp.remove_backend()
    monkeypatch.setattr(RUN, "task", None)
    shutil.rmtree(folder.path)
    with pytest.raises(RuntimeError, match="The add-on has no environment to remove"):
        bpy.ops.diffbmp.remove_backend()
    with pytest.raises(RuntimeError, match="No installation is running"):
        bpy.ops.diffbmp.cancel_install()


def test_the_existing_python_is_used_if_chosen(folder: BackendFolder) -> None:
    chosen = bpy.context.preferences.addons["diffbmp"].preferences
    chosen.python = sys.executable
    assert chosen.mode == "EXISTING"
    assert backend_python() == sys.executable
    chosen.python = ""
    assert chosen.mode == "OWN"
    chosen.mode = "EXISTING"
    with pytest.raises(UserError, match="The backend's Python is not set"):
        backend_python()


def test_the_folder_can_be_set(tmp_path: Path) -> None:
    chosen = bpy.context.preferences.addons["diffbmp"].preferences
    assert own_folder().path.name == "backend"
    chosen.folder = str(tmp_path)
    assert own_folder().path == tmp_path


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Folders that stand in for the usual index, `all`, and PyTorch's own, whose newest build is empty; with locks.

    pip's configuration adds a stranger's index that has everything in a higher version.
    """
    index, locks = tmp_path / "index", tmp_path / "locks"
    for variant in ("cu128", "cpu"):
        torch = add_to_index(index / variant, "torch", f"9.0+{variant}")
    (index / "cu130").mkdir()
    pictures, cuda = (add_to_index(index / "all", name, "2.0") for name in ("tinypictures", "tinycuda"))
    for name in ("torch", "tinypictures", "tinycuda"):
        add_to_index(index / "stranger", name, "99.0")
    write_lock(locks / "base.txt", pictures)
    write_lock(locks / "cuda12.txt", cuda)
    missing = torch.with_name("torch-9.0-py3-none-any.whl")
    shutil.copy(torch, missing)
    write_lock(locks / "torch.txt", missing)
    write_lock(locks / "cuda13.txt", missing)
    missing.unlink()
    write_lock(locks / "pip.txt")
    config = tmp_path / "pip.conf"
    stranger = (index / "stranger").as_uri()
    config.write_text(f"[global]\nindex-url = {(index / 'all').as_uri()}\nextra-index-url = {stranger}\n", "utf-8")
    monkeypatch.setattr(lock, "LOCKS", locks)
    monkeypatch.setattr("diffbmp.operators.install.packages.TORCH_INDEX", f"{index.as_uri()}/")
    monkeypatch.setattr("diffbmp.operators.install.packages.CUDA_PACKAGES", {12: ("tinycuda",), 13: ("missing",)})
    monkeypatch.setattr(steps, "find_card", lambda: Card("Card", "590.1"))
    usage = shutil.disk_usage(tmp_path)  # the real packages would need 10 GB
    monkeypatch.setattr(env_folder.shutil, "disk_usage", lambda path: usage._replace(free=100_000_000_000))
    monkeypatch.setenv("PIP_INDEX_URL", "https://nowhere.invalid/simple")
    variables = {**child.clean_environment(), "PIP_CONFIG_FILE": str(config)}
    variables["XDG_CONFIG_DIRS"] = str(tmp_path)  # this machine's settings may set bounds
    monkeypatch.setattr(child, "clean_environment", lambda: variables)
    return index


def test_tested_versions_come_from_the_index_of_each(folder: BackendFolder, index: Path) -> None:
    """The usual index has no PyTorch here, and its own none for the newest CUDA."""
    task = follow(Installation(plan(folder, None)))
    assert task.works, task.message
    marker = folder.marker
    assert marker
    found = {name: marker.packages[name] for name in ("torch", "tinypictures", "tinycuda")}
    assert found == {"torch": "9.0+cu128", "tinypictures": "2.0", "tinycuda": "2.0"}
    assert marker.lock == lock.digest()
    log = (folder.path.parent / "install.log").read_text(encoding="utf-8")
    assert "torch==9.0+cu128 and NVIDIA's libraries for it are pinned by their versions, without hashes" in log


def test_newest_versions_come_on_request_and_a_mirror_replaces_all(folder: BackendFolder, index: Path) -> None:
    for name, version in (("torch", "9.1"), ("tinypictures", "2.1")):
        add_to_index(index / "mirror", name, version)
    task = follow(Installation(plan(folder, None, index=(index / "mirror").as_uri(), device="cpu", newest=True)))
    assert task.works, task.message
    marker = folder.marker
    assert marker
    assert (marker.packages["torch"], marker.packages["tinypictures"], marker.lock) == ("9.1", "2.1", "")


def test_a_file_of_another_hash_is_refused_and_the_old_environment_stays(folder: BackendFolder, index: Path) -> None:
    mirror = index / "mirror"
    wheels = [add_to_index(mirror, name, "9.0") for name in ("torch", "tinypictures")]
    for name, wheel in zip(("torch", "base"), wheels, strict=True):
        write_lock(lock.LOCKS / f"{name}.txt", wheel)
    there = plan(folder, None, index=mirror.as_uri(), device="cpu")
    task = follow(Installation(there))
    assert task.works, task.message
    assert folder.packages()["torch"] == "9.0"

    newer = add_to_index(mirror, "tinypictures", "9.1")
    write_lock(lock.LOCKS / "base.txt", newer)
    add_to_index(mirror, "tinypictures", "9.1", "tinycuda")
    task = follow(Installation(there))
    assert task.message.startswith("A package differs from the one that was tested, and is not installed: press")
    assert folder.flaw() == ""
    assert folder.packages()["tinypictures"] == "9.0"


def test_wheels_of_a_folder_are_compared_with_the_tested_ones(index: Path, tmp_path: Path) -> None:
    wheels = tmp_path / "wheels"
    copy = write_wheel(wheels, "tinypictures", "2.0")
    shutil.copy(index / "all" / "tinypictures" / copy.name, copy)
    write_wheel(wheels, "tinymovies", "1.0")
    (wheels / "odd.whl").touch()
    assert lock.check_wheels(wheels, lambda: None) == ["odd.whl", "tinymovies-1.0-py3-none-any.whl"]
    write_wheel(wheels, "tinypictures", "2.0", "tinymovies")
    with pytest.raises(UserError, match=r"tinypictures-2.0-\S+ differs from the file that was tested"):
        lock.check_wheels(wheels, lambda: None)


def test_an_unsafe_index_is_in_no_way_of_a_wheel_folder(tmp_path: Path) -> None:
    plan = buttons.make_plan(str(tmp_path), str(tmp_path), index="http://mirror.example/simple")
    assert (plan.wheels, plan.index) == (tmp_path, "")


def test_registering_twice_leaves_nothing() -> None:
    buttons.unregister()
    assert not hasattr(bpy.types, "DIFFBMP_OT_install_backend")
    buttons.register()
    assert INSTALL.task is None
    assert not bpy.app.timers.is_registered(buttons._tick)
