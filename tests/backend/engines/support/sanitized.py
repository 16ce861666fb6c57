"""Runs a module with the sanitized libraries: python -m tests.backend.engines.support.sanitized MODULE [ARGS]

The process needs the sanitizers' runtime from its start: see sanitizers.run.
"""

from __future__ import annotations

import runpy
import sys

from backend.engines import native
from tests.backend.emulation import gpu
from tests.backend.engines.support import sanitizers


def main() -> None:
    native.LIBRARIES = sanitizers.FOLDER
    gpu.COMPILER = sanitizers.compiler()
    # Without checks of the stack: its fibers are unknown to the sanitizer.
    gpu.FLAGS = [*gpu.FLAGS, *sanitizers.CHECKS, "-mllvm", "-asan-stack=0", "-fno-sanitize=function"]
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
