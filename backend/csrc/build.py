"""Builds the CPU engine with the compiler of the PyPI package ziglang: python -m backend.csrc.build [--all]

It writes backend/lib/. Without --all, it builds only the variants for this system and processor. It skips libraries
that are up to date.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from .libraries import LIBRARIES, library_file, this_platform

SOURCES = Path(__file__).parent
FLAGS = ["-O3", "-std=c++17", "-shared", "-fPIC", "-fno-exceptions", "-fno-rtti", "-nostdlib++", "-fvisibility=hidden"]
# Fuse multiply-adds of one expression, so that the source decides and all processors that can agree; keep all other
# IEEE rules, so that NaN is never drawn.
FLAGS += ["-ffp-contract=on", "-fno-math-errno", "-fno-trapping-math", "-Wall", "-Wextra", "-Werror", "-s"]
# For arm64, Clang vectorizes sums in order, and then no longer fuses their products.
FLAGS += ["-mllvm", "-force-ordered-reductions=false"]
# Vectors are only passed between functions of one file.
FLAGS += ["-Wno-psabi"]


@dataclass(frozen=True)
class Variant:
    """A library for one system and processor, with the compiler's options."""

    system: str
    machine: str
    target: str
    cpu: str
    level: int  # x86-64 micro-architecture level, 0 elsewhere

    @property
    def file(self) -> str:
        return library_file(self.system, self.machine, self.level)


def _x86(system: str, target: str, levels: tuple[int, ...]) -> list[Variant]:
    return [Variant(system, "x86_64", target, f"x86_64_v{level}", level) for level in levels]


VARIANTS = [
    *_x86("linux", "x86_64-linux-gnu.2.17", (2, 3, 4)),
    Variant("linux", "arm64", "aarch64-linux-gnu.2.17", "generic", 0),
    *_x86("windows", "x86_64-windows-gnu", (2, 3, 4)),
    *_x86("macos", "x86_64-macos.11.0", (2, 3)),
    Variant("macos", "arm64", "aarch64-macos.11.0", "apple_m1", 0),
]


def build(variant: Variant, folder: Path = LIBRARIES, compiler: Sequence[str] = ()) -> bool:
    """Builds a library in a folder if it is missing or outdated. Returns whether it did.

    compiler: a command that makes a library from the sources after it, instead of ziglang's for this variant.
    """
    library, stamp = folder / variant.file, folder / f"{variant.file}.stamp"
    ours = [sys.executable, "-m", "ziglang", "c++", "-target", variant.target, f"-mcpu={variant.cpu}", *FLAGS]
    command = [*(compiler or ours)]
    fingerprint = _fingerprint(variant, command[1:])
    if library.exists() and stamp.exists() and stamp.read_text() == fingerprint:
        return False
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as own:
        built = Path(own) / variant.file
        subprocess.run([*command, "-o", str(built), *map(str, _sources("*_cpu.cpp"))], check=True)
        os.replace(built, library)
    stamp.write_text(fingerprint)
    return True


def _sources(*patterns: str) -> list[Path]:
    return [*sorted(path for pattern in patterns for path in SOURCES.glob(pattern)), SOURCES / "cpu_level.cpp"]


def _fingerprint(variant: Variant, options: list[str]) -> str:
    digest = hashlib.sha256(repr((variant, options)).encode())
    for path in _sources("*.h", "*_cpu.cpp"):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def main() -> None:
    parser = argparse.ArgumentParser(description="Build the CPU engine.")
    parser.add_argument("--all", action="store_true", help="for every system and processor")
    everything = parser.parse_args().all
    variants = [v for v in VARIANTS if everything or (v.system, v.machine) == this_platform()]
    if not variants:
        sys.exit("The CPU engine has no variant for this machine: use --engine reference")
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for variant, worked in zip(variants, pool.map(build, variants), strict=True):
            print(f"{variant.file}: {'built' if worked else 'up to date'}", flush=True)


if __name__ == "__main__":
    main()
