"""Tiny wheels that stand in for the backend's packages."""

from __future__ import annotations

import hashlib
import platform
import sys
import zipfile
from pathlib import Path

VERSION = f"{sys.version_info[0]}.{sys.version_info[1]}"


def write_wheel(folder: Path, name: str, version: str, needs: str = "", tag: str = "py3-none-any") -> Path:
    """Writes a wheel with one empty module. needs: a requirement."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}-{version}-{tag}.whl"
    info = f"{name}-{version}.dist-info"
    requires = f"Requires-Dist: {needs}\n" if needs else ""
    files = {
        f"{name}.py": "",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{requires}",
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: {tag}\n",
    }
    record = "".join(f"{file},,\n" for file in (*files, f"{info}/RECORD"))
    with zipfile.ZipFile(path, "w") as archive:
        for file, text in {**files, f"{info}/RECORD": record}.items():
            archive.writestr(file, text)
    return path


def native_tag(version: str = VERSION) -> str:
    """Returns the wheel tag of compiled code for a Python version on this system."""
    python = f"cp{version.replace('.', '')}"
    machine = platform.machine().lower()
    system = {"win32": f"win_{machine}", "darwin": f"macosx_11_0_{machine}"}.get(sys.platform, f"manylinux1_{machine}")
    return f"{python}-{python}-{system}"


def write_backend_wheels(folder: Path) -> Path:
    """Fills a folder with a PyTorch of a local version for this Python and another package; returns it."""
    write_wheel(folder, "torch", "9.0+cpu", "tinynumbers", native_tag())
    write_wheel(folder, "tinynumbers", "1.0")
    write_wheel(folder, "tinypictures", "2.0")
    return folder


def write_page(folder: Path) -> None:
    """Writes the page of a package index that names the wheels in a folder."""
    links = "".join(f'<a href="{path.name}">{path.name}</a>' for path in folder.glob("*.whl"))
    (folder / "index.html").write_text(f"<!DOCTYPE html><html><body>{links}</body></html>", encoding="utf-8")


def add_to_index(index: Path, name: str, version: str, needs: str = "") -> Path:
    """Adds a wheel with one empty module to a package index in a folder. Returns it."""
    wheel = write_wheel(index / name, name, version, needs)
    write_page(wheel.parent)
    return wheel


def write_lock(path: Path, *wheels: Path) -> None:
    """Writes a lock of wheels with their hashes."""
    lines = (
        f"{{}}=={{}} \\\n    --hash=sha256:{hashlib.sha256(wheel.read_bytes()).hexdigest()}\n".format(
            *wheel.name.split("-")[:2]
        )
        for wheel in wheels
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(lines), encoding="utf-8")
