"""The progress of a long fit as files, so that it can continue after an interruption."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import zipfile
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..job import Job, UserError, written_aside
from ..layouts.result_folder import SEAL


class FolderJournal:
    """Records of named tensors in a folder. Each record is complete or absent."""

    def __init__(self, folder: Path, job: Job) -> None:
        """Opens a folder, and removes records of another job or target. Raises UserError as save() does."""
        self._folder = folder
        identity, seal = _identity(job), folder / SEAL
        self.dropped = seal.exists() and seal.read_text(encoding="utf-8") != identity
        """Whether another job's records were removed."""
        if self.dropped:
            shutil.rmtree(folder, ignore_errors=True)
        if not seal.exists():
            with written_aside(seal) as aside:
                aside.write_text(identity, encoding="utf-8")

    @property
    def frames(self) -> int:
        """The number of frames that are done."""
        return len(list(self._folder.glob("frame_*.npz")))

    def load(self, name: str) -> dict[str, Tensor] | None:
        """Returns a record; None if there is none or it cannot be read."""
        try:
            with np.load(self._folder / f"{name}.npz", allow_pickle=False) as archive:
                return {key: torch.from_numpy(values) for key, values in archive.items()}
        except (OSError, ValueError, EOFError, zipfile.BadZipFile):
            return None

    def save(self, name: str, tensors: dict[str, Tensor]) -> None:
        """Writes a record. Raises UserError where the folder cannot be written to or the disk is full."""
        # Through memory: on a full disk, closing an archive raises a second error.
        archive = io.BytesIO()
        np.savez(archive, **{key: values.cpu().numpy() for key, values in tensors.items()})
        with written_aside(self._folder / f"{name}.npz") as aside:
            aside.write_bytes(archive.getbuffer())


def _identity(job: Job) -> str:
    """Returns a digest of what a job's result depends on, wherever its files lie."""
    named = asdict(job)
    named["settings"] |= {"threads": 0, "preview_seconds": 0.0}
    files = [job.target, job.mask, job.start, job.importance]
    files += [region.mask for region in job.regions] + [spec.file for spec in job.templates]
    for part in (named, *named["regions"], *named["templates"]):
        for key in ("target", "mask", "start", "importance", "file"):
            if key in part:
                part[key] = Path(part[key]).name
    contents = [content for name in filter(None, files) for content in _contents(Path(name))]
    return hashlib.sha256(json.dumps([named, contents], sort_keys=True).encode()).hexdigest()


def _contents(path: Path) -> list[tuple[str, str]]:
    """Returns the name and digest of a file, or of all files in a folder."""
    try:
        files = sorted(file for file in path.iterdir() if file.is_file()) if path.is_dir() else [path]
        return [(file.name, _digest(file)) for file in files]
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}): choose a file that exists") from error


def _digest(file: Path) -> str:
    with open(file, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
