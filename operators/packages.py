"""Which packages the backend's environment gets, and where they come from."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..backend.job import UserError
from .pythons import VERSIONS
from .worker import NO_WINDOW, clean_environment

TORCH = "torch>=2.11"
PACKAGES = (
    "numpy>=1.26",
    "pillow>=10.3",
    "av>=14",
    "opencv-python-headless>=4.10",
    "matplotlib>=3.9",
    "psd-tools>=1.10",
)
CUDA_PACKAGES = {
    "cu12": ("cuda-core>=1.2,<2", "cuda-bindings==12.*", "nvidia-cuda-nvrtc-cu12"),
    "cu13": ("cuda-core>=1.2,<2", "cuda-bindings==13.*", "nvidia-cuda-nvrtc==13.*"),
}
TORCH_INDEX = "https://download.pytorch.org/whl/{variant}"

DRIVERS = ((580, "cu130"), (570, "cu128"), (525, "cu126"))
"""The oldest NVIDIA driver that each build of PyTorch runs with, the newest build first."""

DEVICES = ("auto", "nvidia", "cpu")

_MEGABYTES = {"cpu": (450, 1400), "cuda": (3600, 8000)}  # to download, and on the disk
_SMI_PLACES = (
    "C:/Windows/System32/nvidia-smi.exe",
    "C:/Program Files/NVIDIA Corporation/NVSMI/nvidia-smi.exe",
    "/usr/lib/wsl/lib/nvidia-smi",
)
_SMI_SECONDS = 15.0


@dataclass(frozen=True)
class Card:
    name: str
    driver: str


@dataclass(frozen=True)
class Plan:
    """What is installed: pip's arguments of each of its calls."""

    calls: list[list[str]]
    why: str  # a sentence about the device that was chosen
    download: int  # MB, about
    disk: int  # MB, about
    versions: tuple[str, ...] = VERSIONS  # of Python


def plan(device: str, card: Card | None, index: str = "", wheels: Path | None = None, system: str = "") -> Plan:
    """device: one of DEVICES. index: address in place of the public ones. wheels: folder in place of any.

    system: as sys.platform, "" = this one. Raises UserError where the device cannot be had, or the folder is none.
    """
    system = system or sys.platform
    variant, why = _variant(device, card, system)
    packages = [*PACKAGES, *CUDA_PACKAGES.get(variant[:4], ())]
    download, disk = _MEGABYTES["cuda" if variant.startswith("cu1") else "cpu"]
    if wheels is not None:
        versions = _versions_of(wheels)
        own = ["--no-index", "--find-links", str(wheels)]
        # What lies there decides whether it is for a card.
        return Plan([[*own, TORCH, *PACKAGES, *_cuda_in(wheels)]], f"From {wheels}", 0, disk, versions)
    if index:
        return Plan([["--index-url", index, TORCH, *packages]], why, download, disk)
    if system == "darwin":
        return Plan([[TORCH, *packages]], why, download, disk)
    return Plan([["--index-url", TORCH_INDEX.format(variant=variant), TORCH], packages], why, download, disk)


def _variant(device: str, card: Card | None, system: str) -> tuple[str, str]:
    """The build of PyTorch, and why."""
    if device == "nvidia" and (card is None or system == "darwin"):
        raise UserError("No NVIDIA driver answers: install the card's driver, or choose the processor as device")
    if device == "cpu" or card is None or system == "darwin":
        return "cpu", "For the processor" + ("" if device == "cpu" else ": there is no NVIDIA card")
    number = int((re.match(r"\d+", card.driver) or ["0"])[0])
    for least, variant in DRIVERS:
        if number >= least:
            return variant, f"For {card.name}, driver {card.driver}"
    sentence = f"The driver {card.driver} of {card.name} is too old: update it to {DRIVERS[-1][0]} or newer"
    if device == "nvidia":
        raise UserError(f"{sentence}, or choose the processor as device")
    return "cpu", f"For the processor. {sentence}, and install again"


def nvidia_card() -> Card | None:
    """The first NVIDIA card and its driver, None where there is none. Takes up to seconds."""
    for program in filter(None, (shutil.which("nvidia-smi"), *_SMI_PLACES)):
        try:
            answer = subprocess.run(
                [program, "--query-gpu=name,driver_version", "--format=csv,noheader"],
                capture_output=True,
                stdin=subprocess.DEVNULL,
                text=True,
                timeout=_SMI_SECONDS,
                check=True,
                env=clean_environment(),
                creationflags=NO_WINDOW,
            )
        except (OSError, subprocess.SubprocessError):
            continue
        name, comma, driver = answer.stdout.partition("\n")[0].rpartition(",")
        if comma:
            return Card(name.strip(), driver.strip())
    return None


def _versions_of(wheels: Path) -> tuple[str, ...]:
    """The versions of Python for which a folder of wheels has PyTorch."""
    files = sorted(wheels.glob("torch-*.whl")) if wheels.is_dir() else []
    if not files:
        raise UserError(
            f"{wheels} holds no wheel of torch: fill it by `pip download -d FOLDER {' '.join(map(_quoted, _ALL))}`"
        )
    found = {f"3.{match[1]}" for file in files if (match := re.search(r"-cp3(\d+)-", file.name))}
    versions = tuple(version for version in VERSIONS if version in found)
    if not versions:
        raise UserError(f"{wheels} has PyTorch for other Pythons than {', '.join(VERSIONS)}: download it with one")
    return versions


def _cuda_in(wheels: Path) -> Sequence[str]:
    bindings = next(iter(sorted(wheels.glob("cuda_bindings-*.whl"))), None)
    return () if bindings is None else CUDA_PACKAGES.get(f"cu{bindings.name.split('-')[1].split('.')[0]}", ())


def _quoted(requirement: str) -> str:
    return f'"{requirement}"'


_ALL = (TORCH, *PACKAGES)
