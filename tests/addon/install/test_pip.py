"""pip's output as progress and causes of failure."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from diffbmp.operators.install.calls import State
from diffbmp.operators.install.env_folder import BackendFolder
from diffbmp.operators.install.packages import Plan
from diffbmp.operators.install.pip import Pip, PipProgress, PipRun, explain_failure, is_missing


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device", "The disk is full"),
        ("WARNING: Retrying after connection broken by 'NewConnectionError(...)'", "The package index cannot be"),
        ("SSLError(SSLCertVerificationError(1, '[SSL: CERTIFICATE_VERIFY_FAILED]", "The package index's certificate"),
        ("ProxyError('Cannot connect to proxy.', OSError('Tunnel failed: 407'))", "The proxy refuses"),
        ("ERROR: [WinError 5] Access is denied: 'C:\\\\x'", "A file cannot be written"),
        ("ERROR: [WinError 206] The filename or extension is too long", "A path is too long"),
        ("ERROR: something else", "pip failed: something else"),
    ],
)
def test_pips_failures_become_sentences(line: str, sentence: str) -> None:
    assert explain_failure(["Collecting torch", line], False, "3.13").startswith(sentence)


def test_an_unreachable_index_is_not_a_missing_package() -> None:
    """pip reports a missing package as well after it could not reach the index."""
    lines = ["WARNING: Retrying after 'NewConnectionError(...)'", "ERROR: No matching distribution found for torch"]
    assert explain_failure(lines, False, "3.13").startswith("The package index cannot be reached")
    assert not is_missing(lines)


def test_a_package_that_the_index_lacks_is_named() -> None:
    lines = ["ERROR: No matching distribution found for opencv-python-headless>=4.10"]
    assert is_missing(lines)
    assert explain_failure(lines, True, "3.11").startswith(
        "The wheel folder has no opencv-python-headless for Python 3.11"
    )
    assert "index has no opencv-python-headless" in explain_failure(lines, False, "3.11")
    assert explain_failure([], False, "3.11") == "pip failed: it wrote nothing"


def test_pips_lines_become_progress() -> None:
    progress = PipProgress()
    assert progress.take("Collecting torch>=2.11")
    assert progress.step == "Finding torch"
    progress.take("Collecting psd-tools[all]>=1.10")
    assert progress.step == "Finding psd-tools"
    assert progress.take("  Downloading torch-2.13.0-cp313-cp313-win_amd64.whl (2.5 GB)")
    assert progress.step == "Downloading torch"
    assert not progress.take("Progress 1250000000 of 2500000000")
    assert progress.done == 1250.0
    progress.take("Using cached numpy-2.4.6-cp311-abi3-manylinux.whl.metadata (500 kB)")
    assert progress.done == 2500.5
    progress.take("Processing ./a folder/av-18.1.0-cp311-abi3-manylinux.whl")
    progress.take("Installing collected packages: mpmath, numpy, torch")
    assert (progress.packages, progress.step) == (3, "Unpacking 3 packages")
    assert progress.done == 2500.5


RECORDED = """
Collecting pillow
  Downloading pillow-13.0.0-cp311-cp311-manylinux_2_27_x86_64.manylinux_2_28_x86_64.whl (7.1 MB)
Progress 0 of 7140667
Progress 262144 of 7140667
Progress 7140667 of 7140667
Collecting filelock
  Downloading filelock-4.3.1-py3-none-any.whl (244 kB)
Installing collected packages: pillow, filelock
"""
"""Output of pip 26 with --progress-bar raw."""


def test_a_pip_run_advances_the_whole_installation(tmp_path: Path) -> None:
    state = State(done=100.0, total=20.0)
    run = PipRun(state, BackendFolder(tmp_path), (0.25, 0.75), 0.5)
    seen = {}
    for line in RECORDED.strip().splitlines():
        assert run.take(line) == (not line.startswith("Progress"))
        seen[line.strip()] = (state.step, round(state.done, 3), round(state.fraction, 3))
    assert seen["Collecting pillow"] == ("Finding pillow", 100.0, 0.25)
    assert seen["Progress 262144 of 7140667"] == ("Downloading pillow", 100.262, 0.257)
    assert seen["Progress 7140667 of 7140667"] == ("Downloading pillow", 107.141, 0.429)
    assert seen["Installing collected packages: pillow, filelock"] == ("Unpacking 2 packages", 107.344, 0.434)
    assert state.replaces
    for number, name in enumerate(("pillow-13.0.0", "filelock-4.3.1"), 1):
        place = "Lib" if sys.platform == "win32" else "lib/python3.11"
        (tmp_path / "env" / place / "site-packages" / f"{name}.dist-info").mkdir(parents=True)
        run.count_unpacked()
        assert (state.step, state.fraction) == (f"Unpacking packages, {number} of 2", 0.5 + 0.125 * number)


def test_packages_are_counted_only_while_pip_unpacks(tmp_path: Path) -> None:
    state = State(step="Finding torch", total=400.0)
    run = PipRun(state, BackendFolder(tmp_path), (0.2, 0.6), 0.5)
    run.take("Requirement already satisfied: torch>=2.11 in ./env/lib/python3.13/site-packages (2.13.0+cpu)")
    run.count_unpacked()
    assert (state.step, state.fraction, state.replaces) == ("Finding torch", 0.2, False)


@pytest.mark.parametrize(
    ("code", "lines", "version"),
    [
        (0, ["pip 25.2 from somewhere (python 3.11)"], (25, 2)),
        (0, ["pip 25.2 from somewhere", "WARNING: The cache is not owned by the current user"], (25, 2)),
        (1, ["No module named pip"], (0, 0)),
        (0, [], (0, 0)),
    ],
)
def test_the_version_of_pip_is_found_among_its_warnings(
    code: int, lines: list[str], version: tuple[int, int], tmp_path: Path
) -> None:
    """Where it is not found, an environment that works would be made anew."""
    pip = Pip(Plan(BackendFolder(tmp_path), tmp_path / "log", tmp_path), SimpleNamespace(run=lambda *_: (code, lines)))
    assert pip.version() == version
