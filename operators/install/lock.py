"""The locks: the tested version of each package that is installed, with the hashes of its files, for all platforms.

`dev.py lock` writes them. It knows nothing of Blender.
"""

from __future__ import annotations

import hashlib
import platform
import re
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

from ...backend.job import UserError

LOCKS = Path(__file__).with_name("locks")

PYPI = ""
"""The variant of PyTorch that the usual index has: CUDA 13 on Linux, the CPU elsewhere."""


def usual(variant: str, system: str = sys.platform, machine: str = "") -> str:
    """Returns PYPI where the usual index has this variant of PyTorch for a system, else the variant itself."""
    machine = (machine or platform.machine()).lower()
    there = system == "linux" and variant == "cu130" and machine in ("x86_64", "aarch64")
    there = there or (system == "win32" and variant == "cpu" and machine == "amd64")
    return PYPI if there else variant


def lock_options(*names: str) -> list[str]:
    """Returns pip's options that install exactly what locks list."""
    files = [part for name in names for part in ("-r", str(LOCKS / f"{name}.txt"))]
    return ["--require-hashes", "--no-deps", *files]


def is_locked(name: str) -> bool:
    """Returns whether there is a lock of this name."""
    return (LOCKS / f"{name}.txt").is_file()


def locked_torch() -> str:
    """Returns the requirement of the tested PyTorch, as "torch==2.13.0"."""
    (found,) = re.findall(r"^torch==[\w.]+", (LOCKS / "torch.txt").read_text(encoding="utf-8"), re.MULTILINE)
    return str(found)


@cache
def digest() -> str:
    """Returns a text that differs where the locks do."""
    return hashlib.sha256(b"".join(path.read_bytes() for path in sorted(LOCKS.glob("*.txt")))).hexdigest()[:16]


def locked_hashes() -> dict[tuple[str, str], set[str]]:
    """Returns the SHA-256 hashes of the tested files by the package's name, as in a wheel's, and version."""
    found: dict[tuple[str, str], set[str]] = {}
    for path in LOCKS.glob("*.txt"):
        for name, version, lines in re.findall(
            r"^(\S+)==(\S+)(.*(?:\n .*)*)", path.read_text(encoding="utf-8"), re.MULTILINE
        ):
            hashes = found.setdefault((name.replace("-", "_"), version), set())
            hashes.update(re.findall(r"sha256:(\w+)", lines))
    return found


def check_wheels(folder: Path, check: Callable[[], None]) -> list[str]:
    """Compares the wheels in a folder with the locks. Returns the names of those that no lock has.

    check: called between the files, and may raise. Raises UserError where a file differs from the tested one.
    """
    hashes, unknown = locked_hashes(), []
    for path in sorted(folder.glob("*.whl")):
        check()
        name, version = f"{path.name}-".split("-")[:2]  # pip skips files with other names
        tested = hashes.get((name.lower(), version))
        if tested is None:
            unknown.append(path.name)
            continue
        with open(path, "rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() not in tested:
                raise UserError(f"{path.name} differs from the file that was tested: download it again")
    return unknown
