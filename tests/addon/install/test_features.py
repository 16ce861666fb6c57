"""What works before anything is installed, and what asks for it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bpy
import pytest
from diffbmp.backend.job import PACKAGES, UserError
from diffbmp.operators.install import environment, features, packages
from diffbmp.operators.install.env_folder import BackendFolder, Marker
from diffbmp.operators.install.features import Feature, missing


@pytest.fixture
def chosen(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Any]:
    """The preferences of a new user, in a Blender with NumPy alone."""
    preferences: Any = bpy.context.preferences.addons["diffbmp"].preferences
    preferences.python, preferences.folder = "", str(tmp_path / "backend")
    monkeypatch.setattr(features.site, "getsitepackages", lambda: [str(tmp_path / "site")])
    (tmp_path / "site").mkdir()
    return preferences


def install(folder: Path, requirements: list[str]) -> BackendFolder:
    """Makes what looks like an environment with all packages of a version of the add-on."""
    made = BackendFolder(folder)
    made.interpreter.parent.mkdir(parents=True)
    made.interpreter.touch()
    made.write_marker(Marker(True, "3.13", sys.executable, 2900, requirements=requirements))
    return made


def test_every_feature_names_its_packages(chosen: Any) -> None:
    for feature in Feature:
        what, *names = feature.value
        sentence = missing(feature)
        assert sentence.startswith(f"{what} needs ")
        assert sentence.endswith(": press Install in the add-on's preferences")
        assert all(PACKAGES[name] in sentence for name in names)
    assert missing(Feature.MOVIE) == "A movie needs PyAV and Pillow: press Install in the add-on's preferences"


def test_every_package_that_is_installed_has_a_feature() -> None:
    """Otherwise nobody would be told why to install it; NumPy is what Blender has."""
    imported = {"pillow": "PIL", "opencv-python-headless": "cv2", "psd-tools": "psd_tools"}
    installed = {name.split(">=")[0] for name in (packages.TORCH, *packages.PACKAGES)} - {"numpy"}
    needed = {name for feature in Feature for name in feature.value[1:]}
    assert {imported.get(name, name) for name in installed} | {"cuda"} == needed == PACKAGES.keys()


def test_packages_of_blenders_own_python_count(chosen: Any, tmp_path: Path) -> None:
    (tmp_path / "site" / "av").mkdir()
    (tmp_path / "site" / "av" / "__init__.py").touch()
    assert missing(Feature.MOVIE) == "A movie needs Pillow: press Install in the add-on's preferences"
    (tmp_path / "site" / "PIL.py").touch()
    assert missing(Feature.MOVIE) == ""
    assert missing(Feature.PAPER) != ""


def test_packages_of_other_add_ons_do_not_count(chosen: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Their folders are on the path of this process, but not on that of the backend."""
    (tmp_path / "PIL.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    assert missing(Feature.PSD) != ""


def test_what_install_has_installed_has_everything(chosen: Any) -> None:
    folder = install(Path(chosen.folder), [packages.TORCH, *packages.PACKAGES])
    assert environment.backend_python() == str(folder.interpreter)
    assert [missing(feature) for feature in Feature] == [""] * len(Feature)


def test_what_another_version_has_installed_is_not_used(chosen: Any) -> None:
    install(Path(chosen.folder), ["torch>=1.0", *packages.PACKAGES])
    assert environment.backend_python() == sys.executable
    assert missing(Feature.PAPER) != ""


def test_a_python_of_the_user_is_not_examined(chosen: Any, tmp_path: Path) -> None:
    chosen.python = str(tmp_path / "python")
    assert environment.backend_python() == chosen.python
    assert missing(Feature.PAPER) == ""
    chosen.mode, chosen.python = "EXISTING", ""
    chosen.mode = "EXISTING"
    with pytest.raises(UserError, match="The backend's Python is not set"):
        missing(Feature.PAPER)
