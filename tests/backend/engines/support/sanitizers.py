"""Builds of the CPU engine and of the emulated CUDA kernels that report what their language does not define.

Clang's sanitizers stop the process at an access outside of an array, at a float that does not fit an integer, and at an
integer that overflows. A process that loads such a library needs their runtime from its start: see `run`.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from backend.csrc.build import FLAGS, VARIANTS, Variant, build
from backend.csrc.libraries import this_platform
from backend.native import library

ROOT = Path(__file__).resolve().parents[4]
FOLDER = ROOT / "build" / "sanitized"
"""Where the libraries stay until their sources change."""
CHECKS = ["-fsanitize=address,undefined,float-cast-overflow", "-fno-sanitize-recover=all", "-shared-libasan"]
# Optimized further, loads become vectors, whose parts are not checked one by one.
CHECKS += ["-O1", "-g", "-fno-omit-frame-pointer"]
_RELEASE = {"-O3", "-s"}
# Python and PyTorch never free some memory; a refused allocation is an exception there.
_STOP = "detect_leaks=0:exitcode=66:quarantine_size_mb=64:allocator_may_return_null=1"


def compiler() -> str | None:
    """The newest Clang on the PATH by the name of its command; None if there is none."""
    found: dict[int, str] = {}
    for folder in map(Path, os.environ.get("PATH", "").split(os.pathsep)):
        for path in folder.glob("clang++*") if folder.is_dir() else ():
            if name := re.fullmatch(r"clang\+\+(?:-(\d+))?", path.name):
                found.setdefault(int(name[1] or 0), str(path))
    return found[max(found)] if found else None


def missing() -> str:
    """The reason why there are no sanitizers here, "" if there are."""
    if sys.platform != "linux":
        return "the sanitizers are loaded before Python, which is done on Linux alone"
    clang = compiler()
    if clang is None:
        return "the sanitizers need clang++ and its runtime: apt-get install clang libclang-rt-19-dev"
    return "" if runtime(clang).is_file() else f"{clang} lacks the runtime of its sanitizers: install libclang-rt-*-dev"


def runtime(clang: str) -> Path:
    """The shared library of the address sanitizer, which may be missing."""
    machine = this_platform()[1].replace("arm64", "aarch64")
    for name in (f"libclang_rt.asan-{machine}.so", "libclang_rt.asan.so"):
        command = [clang, f"-print-file-name={name}"]
        path = Path(subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout.strip())
        if path.is_file():
            return path
    return path


def variants() -> list[Variant]:
    """The variants that this processor can run, the oldest first."""
    able = library.best_level()
    return [v for v in VARIANTS if (v.system, v.machine) == this_platform() and v.level <= able]


def build_all(clang: str) -> None:
    """Builds the CPU engine for each instruction set that this processor has, in FOLDER, where it is outdated."""
    options = [flag for flag in FLAGS if flag not in _RELEASE]
    for variant in variants():
        cpu = variant.cpu.replace("_v", "-v").replace("x86_64", "x86-64")
        build(variant, FOLDER, [clang, f"-m{'arch' if variant.level else 'cpu'}={cpu}", *options, *CHECKS])


def run(program: list[str], level: int = 0, timeout: float = 100) -> tuple[int, str]:
    """Runs a module with arguments in a new Python that has the runtime.

    level: of the instruction set, 0 = the best. timeout: s. Returns the exit code, and the sanitizers' reports or, if
    there are none, what the process wrote. The code is not 0 where there is a report.
    """
    clang = compiler()
    assert clang is not None
    build_all(clang)
    environment = {**os.environ, "LD_PRELOAD": str(runtime(clang)), "PYTHONDONTWRITEBYTECODE": "1"}
    names = {number: name for name, number in library.LEVELS.items()}
    environment.pop("DIFFBMP_ISA", None)
    if level:
        environment["DIFFBMP_ISA"] = names[level]
    command = [sys.executable, "-m", "tests.backend.engines.support.sanitized", *program]
    with TemporaryDirectory() as folder:
        environment |= {f"{name}_OPTIONS": f"{_STOP}:log_path={folder}/{name}" for name in ("ASAN", "UBSAN")}
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=timeout)
        written = [path.read_text(errors="replace") for path in sorted(Path(folder).iterdir())]
    # That the stack of a fiber is unknown is not a report.
    reports = [text for text in written if "ERROR: " in text or "runtime error: " in text]
    return done.returncode or len(reports), "\n".join(reports) or done.stdout + done.stderr
