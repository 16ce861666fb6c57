"""The backend's packages, PyTorch's build for the card, and their sizes. It knows nothing of Blender."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from ...backend.job import UserError
from ...backend.job.errors import quoted
from ..process.child import answer_of
from ..session.anonymous import without_secrets
from .env_folder import BackendFolder
from .pythons import VERSIONS

TORCH = "torch>=2.11"
PACKAGES = (
    "numpy>=1.26",
    "pillow>=10.3",
    "av>=18",
    "opencv-python-headless>=4.10",
    "matplotlib>=3.9",
    "psd-tools>=1.10",
)
CUDA_PACKAGES = {
    12: ("cuda-core>=1.2,<2", "cuda-bindings==12.*", "nvidia-cuda-nvrtc-cu12"),
    13: ("cuda-core>=1.2,<2", "cuda-bindings==13.*", "nvidia-cuda-nvrtc==13.*"),
}
"""The CUDA engine's packages by PyTorch's major version of CUDA."""

TORCH_INDEX = "https://download.pytorch.org/whl/"

DRIVERS = ((580, "cu130"), (570, "cu128"), (525, "cu126"))
"""Minimum driver version of each PyTorch build, newest first."""

DEVICES = ("auto", "nvidia", "cpu")

_SIZES = {"cpu": (350, 1500), "plain": (300, 1200), "cuda": (3000, 7500)}
"""Upper estimates of MB downloaded and MB on the disk."""


@dataclass(frozen=True)
class Plan:
    """What to install, and where. wheels: a folder of wheels instead of the network. index: a mirror.

    python: path of the Python to use, "" for any that is found. device: one of DEVICES. newest: whether to install the
    newest versions instead of the tested ones.
    """

    folder: BackendFolder
    log: Path
    byte_code: Path
    wheels: Path | None = None
    index: str = ""
    python: str = ""
    device: str = DEVICES[0]
    newest: bool = False


@dataclass(frozen=True)
class Card:
    """An NVIDIA card. driver: as "580.65.06"."""

    name: str
    driver: str


@dataclass(frozen=True)
class Build:
    """A build of PyTorch. variants: names in its index, best first; () = the default index.

    reason: why it was chosen, as a sentence.
    """

    variants: tuple[str, ...]
    reason: str

    @property
    def is_cuda(self) -> bool:
        return bool(self.variants) and self.variants[0] != "cpu"

    @property
    def sizes(self) -> tuple[int, int]:
        """About how many MB are downloaded, and how many they take on the disk."""
        return _SIZES["cuda" if self.is_cuda else "cpu" if self.variants else "plain"]


def choose_build(card: Card | None, device: str = "auto", system: str = sys.platform) -> Build:
    """Returns the build of PyTorch for a card and a device of DEVICES. Raises UserError where NVIDIA cannot be used."""
    if system == "darwin":
        return Build((), "PyTorch for macOS, on the CPU")
    if device == "cpu":
        return Build(("cpu",), "PyTorch for the CPU, as chosen")
    if card is None:
        if device == "nvidia":
            raise UserError("No NVIDIA card with a driver was found: install NVIDIA's driver, or choose the CPU")
        return Build(("cpu",), "PyTorch for the CPU: no NVIDIA card with a driver was found")
    major = int(re.match(r"\d*", card.driver)[0] or 0)  # type: ignore[index]  # matches everything
    variants = tuple(name for least, name in DRIVERS if major >= least)
    if variants:
        cuda = f"{variants[0][2:-1]}.{variants[0][-1]}"
        return Build(variants, f"PyTorch for CUDA {cuda}: {card.name}, driver {card.driver}")
    sentence = f"The driver {card.driver} of the {card.name} is too old: at least {DRIVERS[-1][0]} is needed"
    if device == "nvidia":
        raise UserError(f"{sentence} - update NVIDIA's driver, or choose the CPU")
    return Build(("cpu",), f"PyTorch for the CPU. {sentence}")


def find_card() -> Card | None:
    """Finds the first NVIDIA card that the driver knows. Starts a process."""
    for program in _driver_programs():
        try:
            answer = answer_of([program, "--query-gpu=name,driver_version", "--format=csv,noheader"])
        except (OSError, subprocess.SubprocessError):
            continue
        if card := read_card(answer):
            return card
    return None


def _driver_programs() -> Iterator[str]:
    """Yields nvidia-smi on the path, and where NVIDIA's installers put it."""
    if program := shutil.which("nvidia-smi"):
        yield program
    for name, place in (
        ("SYSTEMROOT", "System32/nvidia-smi.exe"),
        ("PROGRAMFILES", "NVIDIA Corporation/NVSMI/nvidia-smi.exe"),
    ):
        if name in os.environ:
            yield str(Path(os.environ[name], place))
    yield "/usr/bin/nvidia-smi"
    yield "/usr/lib/wsl/lib/nvidia-smi"


def read_card(text: str) -> Card | None:
    """Reads the first card from nvidia-smi's lines "name, driver version"; None where there is none."""
    for line in text.splitlines():
        name, comma, driver = line.rpartition(",")
        if comma and re.match(r"\s*\d+\.", driver):
            return Card(name.strip(), driver.strip())
    return None


def has_nvidia_driver() -> bool:
    """Returns whether there seems to be an NVIDIA card: an estimate without delay."""
    if sys.platform == "win32":
        return Path(os.environ.get("SYSTEMROOT", "C:/Windows"), "System32", "nvcuda.dll").is_file()
    return any(Path(place).exists() for place in ("/proc/driver/nvidia/version", "/usr/lib/wsl/lib/nvidia-smi"))


def estimate_build(device: str) -> Build:
    """Returns the build that is likely to be chosen, without asking the driver."""
    cuda = device == "nvidia" or (device == "auto" and sys.platform != "darwin" and has_nvidia_driver())
    return Build((DRIVERS[0][1],), "") if cuda else choose_build(None, "cpu")


def cuda_packages(variant: str) -> tuple[str, ...]:
    """Returns the CUDA engine's packages for a build of PyTorch such as "cu130"; () for any other."""
    found = re.fullmatch(r"cu(\d+)\d", variant)
    return CUDA_PACKAGES.get(int(found[1]), ()) if found else ()


def torch_options(variant: str, index: str) -> list[str]:
    """Returns pip's options for the source of PyTorch. index: a mirror's address, "" for none.

    A mirror replaces every other index. Without one this is PyTorch's own index alone, so that pip does not prefer
    another build of a higher version.
    """
    return index_options(index or (TORCH_INDEX + variant if variant else ""))


def index_options(index: str) -> list[str]:
    """Returns pip's options for an index, "" for the usual one."""
    return ["--index-url", index] if index else []


def host_of(index: str) -> str:
    """Returns the name of the computer in an address, "" where there is none."""
    try:
        return urlsplit(index.strip()).hostname or ""
    except ValueError:
        return ""


def checked_index(index: str) -> str:
    """Returns the address of a package index without spaces around it.

    Raises UserError where others could change what it sends: it is https, a file, or on this computer.
    """
    index = index.strip()
    scheme, host = index.partition(":")[0].lower(), host_of(index)
    local = host in ("localhost", "::1") or re.fullmatch(r"127(\.\d+){3}", host)
    if not index or scheme == "file" or (scheme == "https" and host) or (scheme == "http" and local):
        return index
    raise UserError(f"The package index {quoted(without_secrets(index))} is not safe: use an address with https://")


# --- a folder of wheels ----------------------------------------------------------------------------------------------


def wheel_versions(folder: Path) -> tuple[str, ...]:
    """Returns the Python versions for which a folder has PyTorch for this system, best tested first.

    Raises UserError where it has none.
    """
    if not folder.is_dir():
        raise UserError(f"The wheel folder {folder} does not exist: choose the folder that holds the downloaded wheels")
    wheels = [path.stem.split("-")[-3:] for path in folder.glob("torch-*.whl")]
    if not wheels:
        raise UserError(f"The wheel folder {folder} has no PyTorch: put torch-*.whl and the other packages into it")
    suiting = [tags for tags in wheels if len(tags) == 3 and _suits(tags[2])]
    if not suiting:
        raise UserError(f"The PyTorch in {folder} is for another system: it must be for {_system_tag()}")
    found = {f"3.{tags[0][3:]}" for tags in suiting if re.fullmatch(r"cp3\d+", tags[0])}
    versions = tuple(version for version in VERSIONS if version in found)
    if not versions:
        raise UserError(f"The PyTorch in {folder} is for Python {', '.join(sorted(found))}: 3.11 to 3.14 can be used")
    return versions


def wheel_cuda_packages(folder: Path) -> tuple[str, ...]:
    """Returns the CUDA engine's packages, of the major version in a folder of wheels; () where it has none."""
    for wheel in folder.glob("cuda_bindings-*.whl"):
        if packages := CUDA_PACKAGES.get(int(re.sub(r"\D.*", "", wheel.name.split("-")[1]) or 0)):
            return packages
    return ()


def _suits(tag: str) -> bool:
    start, machine = _system_tag().split(" ")
    return tag.startswith(start) and (machine in tag or "universal2" in tag)


def _system_tag() -> str:
    """Start and end of the wheel tags of this system, with a space between."""
    machine = platform.machine().lower()
    if sys.platform == "win32":
        return f"win_ {'arm64' if machine == 'arm64' else 'amd64'}"
    return f"{'macosx_' if sys.platform == 'darwin' else 'manylinux'} {machine}"
