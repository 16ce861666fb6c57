"""What dev.py does where a machine lacks something."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

import dev

VERSION = "{}.{}".format(*sys.version_info[:2])

posix = pytest.mark.skipif(os.name != "posix", reason="stands in for programs by shell scripts")


def script(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
    path.chmod(0o755)
    return path


def only_on_path(monkeypatch: pytest.MonkeyPatch, *folders: Path) -> None:
    """The search for interpreters sees these folders, and nothing else of the machine."""
    monkeypatch.setenv("PATH", os.pathsep.join(map(str, folders)))
    monkeypatch.setattr(dev, "INSTALL_PLACES", ())
    monkeypatch.setattr(sys, "executable", "")


@posix
def test_interpreter_that_fails_or_lies_is_passed_over(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    working = sys.executable
    script(tmp_path / "shims" / f"python{VERSION}", "echo 'no such version' >&2; exit 127")
    script(tmp_path / "other" / f"python{VERSION}", 'echo \'["2.7", "/nowhere", true]\'')
    script(tmp_path / "good" / f"python{VERSION}", f'exec "{working}" "$@"')
    only_on_path(monkeypatch, tmp_path / "shims", tmp_path / "other", tmp_path / "good")
    found = dev.find_python(VERSION)
    assert dev.probe([found], VERSION) is not None


@posix
def test_missing_python_is_a_skip_but_a_failure_under_ci(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    script(tmp_path / "bin" / "python3.13", "exit 127")
    only_on_path(monkeypatch, tmp_path / "bin")
    environment = dev.Environment(tmp_path / "venv", "3.13", "blender-5.2", "5.2")
    monkeypatch.delenv("CI", raising=False)
    assert not dev.prepare_or_skip(environment)
    assert "SKIPPED Blender 5.2: Python 3.13 is needed" in capsys.readouterr().out
    monkeypatch.setenv("CI", "true")
    with pytest.raises(dev.PythonMissing, match=r"Python 3\.13 is needed"):
        dev.prepare_or_skip(environment)


@posix
@pytest.mark.parametrize(("user", "words"), [(1000, "sudo apt-get install"), (0, "still missing")])
def test_library_that_blender_lacks_is_installed_or_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, user: int, words: str
) -> None:
    """As root the packages are installed, once, and what fails even then is shown; others read the command to run."""
    error = "ImportError: libX11.so.6: cannot open shared object file: still missing"
    environment = dev.Environment(tmp_path / "venv", VERSION, "dev", "5.0")
    script(environment.interpreter, f"echo '{error}' >&2; exit 1")
    script(tmp_path / "bin" / "apt-get", f'echo "$@" >> "{tmp_path}/installed"')
    monkeypatch.setenv("PATH", f"{tmp_path}/bin", prepend=os.pathsep)
    monkeypatch.setattr(os, "geteuid", lambda: user)
    with pytest.raises(dev.Failure, match=words):
        dev.check_blender(environment)
    assert (tmp_path / "installed").exists() == (user == 0)


def test_environment_is_ready_until_its_packages_or_interpreter_change(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    environment = dev.Environment(tmp_path, VERSION, "dev", "5.0")
    environment.interpreter.parent.mkdir()
    environment.interpreter.touch()
    configuration = tmp_path / "pyvenv.cfg"
    configuration.write_text("version = 1", encoding="utf-8")
    assert not environment.is_ready()
    environment.stamp.write_text(environment.fingerprint(), encoding="utf-8")
    assert environment.is_ready()
    configuration.write_text("version = 2", encoding="utf-8")
    assert not environment.is_ready()
    configuration.write_text("version = 1", encoding="utf-8")
    monkeypatch.setattr(dev.Environment, "requirements", ["numpy==9"])
    assert not environment.is_ready()


def test_second_setup_of_an_environment_does_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The one that these tests run in was set up before."""
    if not dev.MAIN.is_ready():
        pytest.skip("not run by dev.py")
    monkeypatch.setattr(dev, "run", pytest.fail)
    dev.prepare(dev.MAIN)
