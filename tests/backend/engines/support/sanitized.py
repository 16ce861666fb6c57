"""Runs a module with the sanitized libraries: python -m tests.backend.engines.support.sanitized MODULE [ARGS]

The process needs the sanitizers' runtime from its start: see sanitizers.run.
"""

from __future__ import annotations

import hashlib
import runpy
import sys

from backend.csrc.build import SOURCES
from backend.native import library
from tests.backend.emulation import gpu
from tests.backend.engines.support import sanitizers


def main() -> None:
    library.LIBRARIES = sanitizers.FOLDER
    gpu.COMPILER = sanitizers.compiler()
    # Without checks of the stack: its fibers are unknown to the sanitizer.
    gpu.FLAGS = [*gpu.FLAGS, *sanitizers.CHECKS, "-mllvm", "-asan-stack=0", "-fno-sanitize=function"]
    gpu.KEPT = sanitizers.FOLDER / f"kernels-{_fingerprint()}"
    gpu.KEPT.mkdir(parents=True, exist_ok=True)
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


def _fingerprint() -> str:
    """Of all that the emulated kernels are built from."""
    digest = hashlib.sha256(repr((gpu.COMPILER, gpu.FLAGS)).encode())
    for path in sorted(path for folder in (gpu.FOLDER, SOURCES) for path in folder.iterdir()):
        if path.suffix in (".h", ".cpp", ".cu"):
            digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


if __name__ == "__main__":
    main()
