"""dev.py on machines that lack something, its choice of suites, and releases."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
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
    """Limits the search for interpreters to these folders."""
    monkeypatch.setenv("PATH", os.pathsep.join(map(str, folders)))
    monkeypatch.setattr(dev, "INSTALL_PLACES", ())
    monkeypatch.setattr(sys, "executable", "")


@posix
def test_broken_or_wrong_interpreters_are_skipped(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    working = sys.executable
    script(tmp_path / "shims" / f"python{VERSION}", "echo 'no such version' >&2; exit 127")
    script(tmp_path / "other" / f"python{VERSION}", 'echo \'["2.7", "/nowhere", true]\'')
    script(tmp_path / "good" / f"python{VERSION}", f'exec "{working}" "$@"')
    only_on_path(monkeypatch, tmp_path / "shims", tmp_path / "other", tmp_path / "good")
    found = dev.find_python(VERSION)
    assert dev.probe([found], VERSION)[0]


@posix
def test_missing_python_is_skipped_but_fails_in_ci(
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
def test_a_missing_system_library_is_installed_or_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, user: int, words: str
) -> None:
    """As root it installs the packages once and shows errors; other users get the command."""
    error = "ImportError: libX11.so.6: cannot open shared object file: still missing"
    environment = dev.Environment(tmp_path / "venv", VERSION, "dev", "5.0")
    script(environment.interpreter, f"echo '{error}' >&2; exit 1")
    script(tmp_path / "bin" / "apt-get", f'echo "$@" >> "{tmp_path}/installed"')
    monkeypatch.setenv("PATH", f"{tmp_path}/bin", prepend=os.pathsep)
    monkeypatch.setattr(os, "geteuid", lambda: user)
    with pytest.raises(dev.Failure, match=words):
        dev.check_blender(environment)
    assert (tmp_path / "installed").exists() == (user == 0)


def test_an_environment_is_ready_until_its_packages_or_interpreter_change(
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


def test_a_second_setup_does_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment of these tests is set up already."""
    if not dev.MAIN.is_ready():
        pytest.skip("not run by dev.py")
    monkeypatch.setattr(dev, "run", pytest.fail)
    dev.prepare(dev.MAIN)


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Records the commands of dev.py instead of running them. All environments exist."""
    made: list[list[str]] = []

    def run(*command: str | Path, **options: object) -> int:
        made.append([str(part) for part in command])
        return 0

    monkeypatch.setattr(dev, "run", run)
    monkeypatch.setattr(dev.Environment, "is_ready", lambda environment: True)
    return made


def pytests(commands: list[list[str]]) -> list[tuple[str, list[str]]]:
    """Returns the runs of pytest: the folder of the environment, and the arguments."""
    return [(Path(c[0]).parent.parent.name, c[3:]) for c in commands if c[1:3] == ["-m", "pytest"]]


A_MODULE = "tests/test_dev.py"
AN_ADDON_MODULE = f"{dev.ADDON_TESTS}/conftest.py"


@pytest.mark.parametrize(
    ("arguments", "environments"),
    [
        ([], [".venv", ".venv", ".venv-4.5", ".venv-5.2"]),
        (["-k", "name"], [".venv", ".venv", ".venv-4.5", ".venv-5.2"]),
        (["--blender", "5.2"], [".venv-5.2"]),
        ([AN_ADDON_MODULE], [".venv", ".venv-4.5", ".venv-5.2"]),
        ([AN_ADDON_MODULE, "--blender", "4.5"], [".venv-4.5"]),
        ([A_MODULE], [".venv"]),
        ([A_MODULE, "--blender", "5.2"], [".venv"]),
        ([A_MODULE, AN_ADDON_MODULE, "--blender=5.0"], [".venv", ".venv"]),
        (["--coverage"], [".venv", ".venv"]),
    ],
)
def test_paths_and_blender_version_choose_the_suites(
    commands: list[list[str]], arguments: list[str], environments: list[str]
) -> None:
    dev.test(arguments)
    assert [environment for environment, _ in pytests(commands)] == environments


def test_a_suite_runs_in_processes_and_a_module_does_not(commands: list[list[str]]) -> None:
    dev.test(["--blender", "5.0", "-x"])
    dev.test([f"{AN_ADDON_MODULE}::test_name", "--blender", "5.0", "-x"])
    whole, module = (arguments for _, arguments in pytests(commands))
    assert whole == [dev.ADDON_TESTS, *dev.PARALLEL, "-x"]
    assert module == [f"{AN_ADDON_MODULE}::test_name", "-x"]


def test_suites_of_the_addon_and_the_backend_run_separately(commands: list[list[str]]) -> None:
    dev.test([])
    backend, addon, *_ = (arguments for _, arguments in pytests(commands))
    assert backend[:2] == ["tests", f"--ignore={dev.ADDON_TESTS}"]
    assert addon[0] == dev.ADDON_TESTS
    assert (dev.ROOT / dev.ADDON_TESTS / "conftest.py").is_file()


def test_an_unknown_blender_version_is_refused(commands: list[list[str]]) -> None:
    with pytest.raises(SystemExit):
        dev.test(["--blender", "2.79"])
    assert not commands


STATED = ("blender_manifest.toml", "CITATION.cff", "CHANGELOG.md")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Copies the files with the version."""
    for name in STATED:
        shutil.copy(dev.ROOT / name, tmp_path)
    (tmp_path / "CHANGELOG.md").write_text(
        "# Changelog\n\n## [Unreleased]\n\n### Added\n\n- A thing.\n", encoding="utf-8"
    )
    return tmp_path


def stated(folder: Path) -> tuple[str, str]:
    """The version in the manifest and in the citation."""
    manifest = tomllib.loads((folder / "blender_manifest.toml").read_text(encoding="utf-8"))
    citation = re.findall(r"^version: (.*)$", (folder / "CITATION.cff").read_text(encoding="utf-8"), re.MULTILINE)
    assert len(citation) == 1
    return manifest["version"], citation[0]


def test_a_release_sets_its_version_everywhere(checkout: Path) -> None:
    assert dev.state_version(checkout, "7.8.9", "2031-01-02") == "### Added\n\n- A thing.\n"
    changelog = (checkout / "CHANGELOG.md").read_text(encoding="utf-8")
    assert changelog == "# Changelog\n\n## [Unreleased]\n\n## [7.8.9] - 2031-01-02\n\n### Added\n\n- A thing.\n"
    assert stated(checkout) == ("7.8.9", "7.8.9")
    (checkout / "CHANGELOG.md").write_text(
        changelog.replace("ed]\n", "ed]\n\n### Fixed\n\n- Another.\n"), encoding="utf-8"
    )
    assert dev.state_version(checkout, "7.8.10", "2031-02-03") == "### Fixed\n\n- Another.\n"
    assert stated(checkout) == ("7.8.10", "7.8.10")
    assert re.findall("date-released: .*", (checkout / "CITATION.cff").read_text(encoding="utf-8")) == [
        "date-released: 2031-02-03"
    ]


def test_a_release_needs_a_new_version_and_a_change(checkout: Path) -> None:
    for version in ("", "1.2", "v1.2.3", "1.2.3 4"):
        with pytest.raises(dev.Failure, match="new version of three numbers"):
            dev.state_version(checkout, version, "2031-01-02")
    dev.state_version(checkout, "7.8.9", "2031-01-02")
    before = [(checkout / name).read_bytes() for name in STATED]
    with pytest.raises(dev.Failure, match="new version"):
        dev.state_version(checkout, "7.8.9", "2031-01-02")
    with pytest.raises(dev.Failure, match="nothing under Unreleased"):
        dev.state_version(checkout, "7.9.0", "2031-01-02")
    assert before == [(checkout / name).read_bytes() for name in STATED]


@pytest.mark.skipif(shutil.which("git") is None, reason="a release is made in a git checkout")
def test_a_release_refuses_uncommitted_changes(
    monkeypatch: pytest.MonkeyPatch, commands: list[list[str]], checkout: Path
) -> None:
    monkeypatch.setattr(dev, "ROOT", checkout)
    subprocess.run(["git", "init", "--quiet"], cwd=checkout, check=True, timeout=60)
    before = [(checkout / name).read_bytes() for name in STATED]
    with pytest.raises(dev.Failure, match="not committed"):
        dev.release(["7.8.9"])
    assert before == [(checkout / name).read_bytes() for name in STATED]
    assert not commands


def test_the_citation_has_the_version_of_the_manifest() -> None:
    manifest, citation = stated(dev.ROOT)
    assert manifest == citation


def test_commit_hooks_have_the_versions_of_the_environment() -> None:
    text = (dev.ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8")
    pins = re.findall(r"additional_dependencies: \[(.*)\]", text)
    assert {pin.split("==")[0] for pin in pins} == {"ruff", "clang-format"}
    assert set(pins) <= set(dev.MAIN.requirements)


def test_the_workflow_names_existing_files() -> None:
    text = (dev.ROOT / ".github" / "workflows" / "tests.yml").read_text(encoding="utf-8")
    assert all(re.fullmatch(r"actions/[\w-]+@v\d+", action) for action in re.findall(r"uses: (.*)", text))
    named = re.findall(r"tests/\w+", text)
    assert dev.ADDON_TESTS in named
    assert all((dev.ROOT / path).is_dir() for path in named)
