"""The files of the compiled libraries: backend/lib/ has one for each system and processor."""

from __future__ import annotations

import platform
import sys
from pathlib import Path

LIBRARIES = Path(__file__).parents[1] / "lib"


def library_file(system: str, machine: str, level: int) -> str:
    """The file name of a library. system: linux, windows or macos; machine: x86_64 or arm64.

    level: x86-64 micro-architecture level, 0 elsewhere.
    """
    suffix = {"linux": ".so", "windows": ".dll", "macos": ".dylib"}[system]
    return f"diffbmp-{system}-{machine}{f'-v{level}' if level else ''}{suffix}"


def this_platform() -> tuple[str, str]:
    """The system and machine for library_file."""
    system = {"win32": "windows", "darwin": "macos"}.get(sys.platform, "linux")
    machine = platform.machine().lower()
    return system, {"amd64": "x86_64", "aarch64": "arm64"}.get(machine, machine)
