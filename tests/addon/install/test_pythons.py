"""The search for a Python that can make environments."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from diffbmp.backend.job import UserError
from diffbmp.operators.install import pythons
from diffbmp.operators.install.pythons import Python, candidates, find_python, probe

from tests.addon.support.wheels import VERSION

posix = pytest.mark.skipif(os.name != "posix", reason="stands in for programs by shell scripts")


def script(path: Path, text: str) -> list[str]:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
    path.chmod(0o755)
    return [str(path)]


def test_the_running_python_is_found_first() -> None:
    assert next(iter(candidates(("3.13",)))) == [sys.executable]
    found = find_python((VERSION,))
    assert found.version == VERSION
    assert found.path
    assert Path(found.path).exists()


@posix
def test_unusable_pythons_are_skipped(tmp_path: Path) -> None:
    shim = script(tmp_path / "shim", "echo 'no such version' >&2; exit 127")
    bare = script(tmp_path / "debian", "echo \"No module named 'ensurepip'\" >&2; exit 1")
    narrow = script(tmp_path / "narrow", f'echo \'["{VERSION}", "/x", false]\'')
    chatty = script(tmp_path / "chatty", "echo hello")
    old = script(tmp_path / "old", 'echo \'["3.8", "/old", true]\'')
    good = script(tmp_path / "a good one ü", f'exec "{sys.executable}" "$@"')
    others = [shim, bare, narrow, chatty, [str(tmp_path / "gone")]]
    assert [probe(command) for command in others] == [None] * 5
    assert probe(old) == Python("/old", "3.8")
    assert find_python((VERSION,), [*others, old, good]).version == VERSION


@posix
def test_variables_of_other_software_do_not_disturb_the_search(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONHOME", str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert probe([sys.executable]) is not None


def test_without_a_python_the_versions_are_named() -> None:
    with pytest.raises(UserError, match=r"Python 3\.11 or 3\.13 is needed and was not found: install it") as caught:
        find_python(("3.13", "3.11"), [])
    assert caught.value.action == "install"


@posix
def test_the_places_of_uv_pyenv_and_the_path_are_searched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.delenv("PYENV_ROOT", raising=False)
    monkeypatch.delenv("UV_PYTHON_INSTALL_DIR", raising=False)
    wanted = [
        tmp_path / ".local/share/uv/python/cpython-3.12.1-linux/bin/python3.12",
        tmp_path / ".pyenv/versions/3.12.1/bin/python3.12",
        tmp_path / "bin/python3.12",
    ]
    for path in wanted:
        script(path, "exit 1")
    found = [command[0] for command in candidates(("3.12",)) if command[0].startswith(str(tmp_path))]
    assert found == [str(path) for path in wanted]


def test_the_search_can_be_ended() -> None:
    def end() -> None:
        raise UserError("Enough")

    with pytest.raises(UserError, match="Enough"):
        find_python(("3.13",), check=end)


def test_the_project_allows_every_version() -> None:
    assert sorted(pythons.VERSIONS) == ["3.11", "3.12", "3.13", "3.14"]
