"""What processes hold of the machine: file descriptors, threads, memory, children. By /proc, so on Linux only."""

from __future__ import annotations

import hashlib
import os
import sys
from pathlib import Path

PROC = Path("/proc")
KNOWN = sys.platform == "linux"
"""Whether this system says what processes hold; elsewhere all figures are 0, and there are no processes to find."""


def descriptors(process: int) -> int:
    """Returns the number of open files of a process."""
    return len(os.listdir(PROC / str(process) / "fd")) if KNOWN else 0


def threads(process: int) -> int:
    return status(process, "Threads")


def memory(process: int) -> int:
    """Returns the resident memory of a process, kB."""
    return status(process, "VmRSS")


def peak(process: int) -> int:
    """Returns the greatest resident memory that a process has had, kB."""
    return status(process, "VmHWM")


def cpu_seconds(process: int) -> float:
    """Returns the time for which a process has used a processor."""
    if not KNOWN:
        return 0.0
    try:
        fields = (PROC / str(process) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def status(process: int, name: str) -> int:
    """Returns a number of /proc/PROCESS/status, 0 where there is none."""
    if not KNOWN:
        return 0
    try:
        text = (PROC / str(process) / "status").read_text()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in text.splitlines() if line.startswith(f"{name}:")), 0)


def processes_with(variable: str) -> dict[int, str]:
    """Returns the processes in whose environment "NAME=value" stands, with their command lines; no zombies."""
    found = {}
    for folder in PROC.glob("[0-9]*") if KNOWN else ():
        try:
            if variable.encode() in (folder / "environ").read_bytes().split(b"\0"):
                found[int(folder.name)] = (
                    (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                )
        except OSError:  # it has ended, or is another user's
            continue
    return {number: command for number, command in found.items() if command}


def contents(folder: Path) -> dict[str, str]:
    """Returns a digest of each file below a folder, by its path there. Folders and links are not followed."""
    return {
        path.relative_to(folder).as_posix(): digest(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.is_symlink()
    }


def digest(path: Path) -> str:
    """Returns the digest of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
