"""Write the locks of what the add-on installs: `ENV/bin/python -m tests.support.locks`, or `dev.py lock`.

Each file in operators/install/locks/ lists packages for every platform and Python version at once, in the versions that
the tests use, with the hashes of all their files:

pip.txt      pip itself
base.txt     what the backend needs beside PyTorch
torch.txt    PyTorch of the usual index and what it needs beside base.txt: CUDA 13 on Linux, the CPU elsewhere
cuda12.txt   what the CUDA engine needs beside a PyTorch of CUDA 12, which has an index of its own
cuda13.txt   likewise for CUDA 13

torch-VARIANT.txt, for each build of PyTorch's own index, where that is reached; without it, the add-on pins the build
by its version alone. All other hashes come from the index that uv is set up for.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path

from dev import run, say

ROOT = Path(__file__).resolve().parents[2]
LOCKS = ROOT / "operators" / "install" / "locks"
PYTHONS = ("3.11", "3.12", "3.13", "3.14")
PLATFORMS = ("x86_64-manylinux_2_28", "aarch64-manylinux_2_28", "x86_64-pc-windows-msvc", "aarch64-apple-darwin")
MACOS = {"MACOSX_DEPLOYMENT_TARGET": "14.0"}
"""The oldest macOS that PyAV has files for."""

VARIANTS = ("cpu", "cu126", "cu128", "cu130")

_CUDA = ("cuda-core", "cuda-bindings", "nvidia-cuda-nvrtc")
_PACKAGES = ("pillow", "av", "opencv-python-headless", "matplotlib", "psd-tools")


def read_requirements() -> dict[str, list[str]]:
    """Returns the requirements of each resolution, in the versions of the development environments."""
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["dependency-groups"]
    dev, newer = ({pin.partition("==")[0]: pin for pin in groups[name]} for name in ("dev", "blender-5.2"))
    numpy = [f"{dev['numpy']} ; python_version < '3.13'", f"{newer['numpy']} ; python_version >= '3.13'"]
    return {
        "pip": ["pip"],
        "torch": [
            *numpy,
            *(dev[name] for name in ("torch", *_PACKAGES)),
            *(f"{dev[name]} ; sys_platform == 'linux'" for name in _CUDA),
        ],
        "cuda13": [dev[name] for name in _CUDA],
        # On Linux, PyTorch brings the compiler of exactly its own CUDA version.
        "cuda12": [dev["cuda-core"], "cuda-bindings==12.*", "nvidia-cuda-nvrtc-cu12 ; sys_platform == 'win32'"],
    }


def resolve(requirements: Sequence[str], constraints: Path | None = None, index: str = "") -> list[str]:
    """Returns the lock's entries, a package's lines each, for all platforms. Raises CalledProcessError where uv fails.

    constraints: a lock whose versions are kept. index: the only index to ask, "" for uv's own.
    """
    command = [sys.executable, "-m", "uv", "pip", "compile", "-", "--universal", "--python-version", PYTHONS[0]]
    command += ["--generate-hashes", "--only-binary", ":all:", "--no-header", "--no-annotate", "--upgrade"]
    command += ["--constraint", str(constraints)] if constraints else []
    command += ["--default-index", index] if index else []
    text = "\n".join(requirements)
    answer = subprocess.run(command, cwd=ROOT, input=text, stdout=subprocess.PIPE, text=True, timeout=600, check=True)
    return re.findall(r"^\w.*(?:\n .*)*", answer.stdout, re.MULTILINE)


def name_of(entry: str) -> str:
    """Returns the name of an entry's package."""
    return entry.partition("==")[0]


def make_locks(requirements: Mapping[str, Sequence[str]]) -> None:
    """Writes all locks. What only Linux needs of PyTorch's resolution is PyTorch's own."""
    write("pip", resolve(requirements["pip"]))
    entries = resolve(requirements["torch"])
    own = [one for one in entries if name_of(one) == "torch" or "sys_platform == 'linux'" in one.splitlines()[0]]
    base = [one for one in entries if one not in own]
    write("base", base)
    write("torch", own)
    for name in ("cuda12", "cuda13"):
        found = resolve(requirements[name], LOCKS / "base.txt")
        write(name, without(found, base))


def make_variant_locks(torch: str) -> None:
    """Writes the locks of PyTorch's own builds, and says which cannot be reached."""
    text = (ROOT / "operators" / "install" / "packages.py").read_text(encoding="utf-8")
    (index,) = re.findall(r'^TORCH_INDEX = "(.+)"', text, re.MULTILINE)
    base = re.findall(r"^\w\S*==", (LOCKS / "base.txt").read_text(encoding="utf-8"), re.MULTILINE)
    for variant in VARIANTS:
        requirement = f"{torch}+{variant} ; sys_platform != 'darwin'"
        try:
            write(f"torch-{variant}", without(resolve([requirement], LOCKS / "base.txt", index + variant), base))
        except subprocess.CalledProcessError:
            (LOCKS / f"torch-{variant}.txt").unlink(missing_ok=True)  # it may be of an earlier version
            say(f"Left out, so pinned by its version alone: {torch}+{variant}")


def without(entries: Sequence[str], others: Sequence[str]) -> list[str]:
    """Returns the entries whose packages are not among others."""
    names = {name_of(entry) for entry in others}
    return [entry for entry in entries if name_of(entry) not in names]


def write(name: str, entries: Sequence[str]) -> None:
    """Writes a lock."""
    (LOCKS / f"{name}.txt").write_text("".join(f"{entry}\n" for entry in entries), encoding="utf-8", newline="\n")


def check(name: str, platform: str, python: str) -> None:
    """Raises dev.Failure where a platform's Python finds no file for a package of a lock."""
    target = ["--target", str(ROOT / "build" / "lock"), "--python-platform", platform, "--python-version", python]
    options = ["--dry-run", "--no-deps", "--require-hashes", "--only-binary", ":all:", "--quiet"]
    run(sys.executable, "-m", "uv", "pip", "install", *options, *target, "-r", LOCKS / f"{name}.txt", variables=MACOS)


def main() -> int:
    requirements = read_requirements()
    make_locks(requirements)
    make_variant_locks(next(one for one in requirements["torch"] if one.startswith("torch==")))
    for platform in PLATFORMS:
        for python in PYTHONS:
            for name in ("pip", "base", "torch"):
                check(name, platform, python)
            if "apple" not in platform:
                check("cuda12", platform, python)
                check("cuda13", platform, python)
        say(f"{platform}: every package has a file for Python {', '.join(PYTHONS)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
