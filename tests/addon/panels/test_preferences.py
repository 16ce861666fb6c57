"""The preferences in both modes, and the installation as they and the sidebar show it."""

from __future__ import annotations

import sys
from collections import deque
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import bpy
import pytest
from diffbmp.operators.install import environment, features
from diffbmp.operators.install.env_folder import BackendFolder, Marker
from diffbmp.operators.install.installation import Installation, State
from diffbmp.operators.install.lock import digest
from diffbmp.operators.install.packages import PACKAGES, TORCH
from diffbmp.operators.session.slots import INSTALL
from diffbmp.panels import install

from tests.addon.support.layout import Screen, context_of, shown

Patch = pytest.MonkeyPatch

WHOLE = Marker(True, "3.11", sys.executable, 2900, {"torch": "2.9.0"}, [TORCH, *PACKAGES], digest())


@pytest.fixture
def chosen(monkeypatch: Patch, tmp_path: Path) -> Any:
    """The preferences with the add-on's own environment, which is not installed, in a Blender with NumPy alone."""
    context: Any = bpy.context
    preferences = context.preferences.addons["diffbmp"].preferences
    preferences.python, preferences.folder = "", str(tmp_path / "backend")
    monkeypatch.setattr(features, "_has", lambda package: False)
    return preferences


def shown_preferences(chosen: Any, width: float = 600) -> Screen:
    screen = Screen(context_of(bpy.context.scene, width))
    screen.draw(type(chosen), chosen)
    return screen


def install_backend(marker: Marker) -> None:
    folder = environment.own_folder()
    folder.write_marker(marker)
    folder.interpreter.parent.mkdir(parents=True)
    folder.interpreter.write_text("", encoding="utf-8")


def installation(state: State) -> Installation:
    """Returns an installation that does nothing."""
    task = object.__new__(Installation)
    task.state = state
    return task


def test_folder_that_cannot_be_written_to(chosen: Any, monkeypatch: Patch, tmp_path: Path) -> None:
    def user_path(package: str, path: str, create: bool) -> str:
        if create:
            raise PermissionError(13, "Permission denied")
        return str(tmp_path / "user" / path)

    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "a.blend"))
    monkeypatch.setattr(bpy.utils, "extension_path_user", user_path)
    assert shown_preferences(chosen).buttons("diffbmp.show_install_log")[0].reason == "Nothing was installed yet"
    assert shown().buttons("diffbmp.optimize")[0].reason == "Choose a target image"


def test_existing_python(chosen: Any) -> None:
    chosen.mode = "EXISTING"
    screen = shown_preferences(chosen)
    assert list(screen.properties("DIFFBMP_preferences")) == ["mode", "python"]
    assert screen.buttons("diffbmp.verify_backend")[0].reason.startswith("The backend's Python is not set")
    chosen.python = sys.executable
    chosen.verdict, chosen.works = "The backend works", True
    screen = shown_preferences(chosen)
    assert "The backend works" in screen.texts
    assert screen.buttons("diffbmp.verify_backend")[0].reason == ""


def test_nothing_is_installed(chosen: Any) -> None:
    for width in (1, 200, 600):
        screen = shown_preferences(chosen, width)
        assert "Blender is not allowed to go online." in screen.texts
        assert screen.buttons("diffbmp.install_backend")[0].text.startswith("Install (about ")
        assert screen.buttons("diffbmp.remove_backend")[0].reason == "The add-on has no environment to remove"
        assert "DiffBMP works as it is." in screen.text
        assert screen.buttons("diffbmp.verify_backend")[0].reason == ""
        assert not shown(width=width).buttons("preferences.addon_show")
    chosen.wheels = "wheels/"
    screen = shown_preferences(chosen)
    assert screen.buttons("diffbmp.install_backend")[0].text == "Install (from wheels)"
    assert not screen.buttons("extensions.userpref_allow_online")


@pytest.mark.parametrize("state", ["whole", "old", "unpinned", "broken", "begun", "gone"])
def test_installed_packages(state: str, chosen: Any) -> None:
    markers = {
        "old": Marker(True, "3.11", sys.executable, 2900),
        "unpinned": replace(WHOLE, lock=""),
        "begun": Marker(),
        "gone": Marker(True, base="nowhere"),
    }
    install_backend(markers.get(state, WHOLE))
    if state == "broken":
        environment.own_folder().interpreter.unlink()
    screen = shown_preferences(chosen)
    texts = {"whole": "Reinstall", "old": "Update", "unpinned": "Update", "begun": "Resume Installation"}
    assert screen.buttons("diffbmp.install_backend")[0].text == texts.get(state, "Repair")
    said = {
        "whole": "Installed: PyTorch 2.9.0, Python 3.11, 2.9 GB",
        "old": "Another version of DiffBMP has installed this: press Update to use it.",
        "unpinned": "Installed: PyTorch 2.9.0",
        "broken": "environment is damaged",
        "begun": "is not complete",
        "gone": "is gone",
    }
    assert said[state] in screen.text
    own = str(environment.own_folder().interpreter)
    assert environment.backend_python() == (own if state in ("whole", "unpinned") else sys.executable)
    assert not shown().buttons("preferences.addon_show"), "Optimize works meanwhile"
    assert screen.buttons("diffbmp.remove_backend")[0].reason == ""


def test_installation_is_running(chosen: Any, monkeypatch: Patch) -> None:
    lines = deque(["Collecting torch", "x" * 500, ""])
    monkeypatch.setattr(INSTALL, "task", installation(State("Downloading torch", 0.3, 900, 2900, lines)))
    for width in (1, 200, 600):
        screen = shown_preferences(chosen, width)
        assert "Downloading torch: 900 MB of about 2.9 GB" in screen.texts
        assert "Collecting torch" in screen.texts
        assert screen.buttons("diffbmp.cancel_install")[0].reason == ""
        assert not screen.buttons("diffbmp.install_backend")
        assert not screen.properties("DIFFBMP_preferences")["folder"].enabled
        assert "Downloading torch: 900 MB of about 2.9 GB" in shown(width=width).texts


def test_removal_is_running(chosen: Any, monkeypatch: Patch) -> None:
    monkeypatch.setattr(INSTALL, "task", SimpleNamespace())
    assert "Removing ..." in shown_preferences(chosen).texts
    screen = shown()
    assert "Removing ..." in screen.texts
    assert not screen.buttons("diffbmp.cancel_install")


def test_long_path_on_windows(chosen: Any, monkeypatch: Patch) -> None:
    monkeypatch.setattr(install.sys, "platform", "win32")
    monkeypatch.setattr(install, "own_folder", lambda: BackendFolder(Path("x" * 100)))
    assert "This path is long for Windows" in shown_preferences(chosen).text
