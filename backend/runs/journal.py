"""The progress of a long fit as files, so that it can continue after an interruption."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path

import numpy as np

from ..job import Array, Job, UserError, folder_aside, write_arrays
from ..layouts.contents import SEAL, check_own_progress
from ..native.arrays import ByteArray
from ..pictures.images import save_png

RECORDS = 2
"""Version of the records: another one wherever the same job gives other frames, as with other random numbers."""


class FolderJournal:
    """Records of named arrays in a folder. Each record is complete or absent."""

    def __init__(self, folder: Path, job: Job) -> None:
        """Opens a folder, and removes records of another job, target or version.

        Raises UserError as save() does, and where the folder holds anything else than records.
        """
        self._folder, self._identity = folder, _identity(job)
        seal = folder / SEAL
        sealed = seal.is_file()
        self.dropped = sealed and seal.read_text(encoding="utf-8", errors="replace") != self._identity
        """Whether records of another job or version were removed."""
        if self.dropped or not sealed:
            self._begin()

    @property
    def frames(self) -> int:
        """The number of frames that are done."""
        return len(list(self._folder.glob("frame_*.npz")))

    def load(self, name: str) -> dict[str, Array] | None:
        """Returns a record; None if there is none or it cannot be read."""
        try:
            with np.load(self._folder / f"{name}.npz", allow_pickle=False) as archive:
                return dict(archive.items())
        except (OSError, ValueError, EOFError, zipfile.BadZipFile):
            return None

    def save(self, name: str, arrays: dict[str, Array]) -> None:
        """Writes a record. Raises UserError where the folder cannot be written to or the disk is full."""
        self._write(partial(write_arrays, self._folder / f"{name}.npz", arrays, parents=False))

    def preview(self, pixels: ByteArray) -> Path:
        """Writes preview.png of pixels [h, w, 3]. Raises UserError as save() does."""
        path = self._folder / "preview.png"
        self._write(partial(save_png, path, pixels, parents=False))
        return path

    def _begin(self) -> None:
        """Makes the folder, with its seal from the first moment on."""
        place = self._folder if self._folder.parent.is_dir() else self._folder.parent
        with folder_aside(place, partial(check_own_progress, shown=place)) as aside:
            inside = aside / self._folder.relative_to(place)
            inside.mkdir(exist_ok=True)
            (inside / SEAL).write_text(self._identity, encoding="utf-8")

    def _write(self, write: Callable[[], None]) -> None:
        """Writes into the folder; where it was removed meanwhile, it begins anew."""
        try:
            write()
        except UserError:
            if self._folder.exists():
                raise
            self._begin()
            write()


def _identity(job: Job) -> str:
    """Returns a digest of what a job's frames depend on, wherever its files lie."""
    named = asdict(job)
    named["settings"] |= {"threads": 0, "preview_seconds": 0.0, "exact": False}
    files = [job.target, job.mask, job.start, job.importance]
    files += [region.mask for region in job.regions] + [spec.file for spec in job.templates]
    for part in (named, *named["regions"], *named["templates"]):
        for key in ("target", "mask", "start", "importance", "file"):
            if key in part:
                part[key] = Path(part[key]).name
    contents = [content for name in filter(None, files) for content in _contents(Path(name))]
    return hashlib.sha256(json.dumps([RECORDS, named, contents], sort_keys=True).encode()).hexdigest()


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
