"""Writes a scene to a job folder: target, stamps, regions and settings, as the backend reads them."""

from __future__ import annotations

from collections.abc import Generator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import bpy

from ...backend.job import Clip, Job, Limits, RegionSpec, TemplateSpec, UserError, cannot_write
from ..blender.folders import file_name
from ..blender.images import ByteArray, write_array, write_png
from ..blender.written import NotWritten
from ..masks.collect import RegionMask, need_pictures, region_steps
from ..session.steps import all_at_once, waited
from ..stamps.pixels import StampReader
from ..stamps.properties import refresh, stamps_of
from ..stamps.thumbnails import THUMBNAILS
from ..target.movie import Footage, write_footage
from ..target.pixels import importance_pixels, target_steps
from ..target.properties import moves
from .job_settings import (
    color_mode,
    fit_settings,
    limits_of,
    region_limits,
    region_settings,
    stamp_limits,
    takes_steering,
    unused_settings,
)

THREADS = 2
"""Threads that convert and write pictures; more would slow down Blender's own thread."""


def write_job(scene: bpy.types.Scene, folder: Path) -> list[str]:
    """Writes the scene's job without a pause. Returns what job_steps does."""
    left_out: list[str] = all_at_once(job_steps(scene, folder))
    return left_out


def job_steps(scene: bpy.types.Scene, folder: Path) -> Generator[str, None, list[str]]:
    """Writes the scene's job into the folder in steps, each of which yields what comes next.

    Between them Blender may be used, as long as the scene's settings do not change and nothing is undone. Returns a
    sentence about each thing that was left out.

    Raises UserError where the target or all stamps cannot be used, a setting makes no sense, or the folder cannot be
    written to.
    """
    wanted, left_out = fit_settings(scene), unused_settings(scene)
    refresh(scene.diffbmp.stamps)
    try:
        # Converting and compressing pictures takes most of the time, and leaves Blender's own thread free.
        with ThreadPoolExecutor(THREADS) as threads:
            files = _Files(folder, threads)
            yield "Reading the target"
            target, target_file, clip = yield from _target(scene, files)
            yield "Reading the masks"
            width, height = _canvas(target, wanted.size)
            importance = importance_pixels(scene, width, height) if takes_steering(scene) else None
            importance_file = "" if importance is None else files.write_into("importance", "0001.png", importance)
            mask, masks = yield from region_steps(scene, folder, width, height, target)
            stamps = _Stamps(scene, files)
            regions = []
            for part in masks:
                regions.append((yield from _region(part, stamps)))
            if not masks:
                yield from stamps.add(None, "", stamp_limits(scene))
            yield from files.finish()
        job = Job(target_file, stamps.specs, wanted, mask, importance_file, regions=regions, clip=clip)
        job.save(folder)
    except OSError as error:
        raise cannot_write(folder, error) from error
    return [*stamps.problems, left_out] if left_out else stamps.problems


class _Files:
    """Writes the pictures of a job in other threads."""

    def __init__(self, folder: Path, threads: Executor) -> None:
        self.folder, self.threads = folder, threads
        self._writing: list[Future[None]] = []

    def write(self, file: str, rgba: ByteArray) -> None:
        """Starts to write a picture [h, w, 4]: a PNG, which is small, or an array, which takes no time.

        file: its path in the job's folder, with the ending .png or .npy.
        """
        write = write_array if file.endswith(".npy") else write_png
        self._writing.append(self.threads.submit(write, self.folder / file, rgba))

    def write_into(self, name: str, file: str, rgba: ByteArray) -> str:
        """Does the same into a folder of its own. Returns its path in the job's folder."""
        (self.folder / name).mkdir()
        self.write(f"{name}/{file}", rgba)
        return f"{name}/{file}"

    def finish(self) -> Generator[str, None, None]:
        """Waits until all pictures are written. Raises OSError where one cannot be written."""
        for writing in self._writing:
            yield from waited(writing, "Writing the pictures")


class _Stamps:
    """The stamps of a job: each is read and written once, even if several regions use it."""

    def __init__(self, scene: bpy.types.Scene, files: _Files) -> None:
        self.specs: list[TemplateSpec] = []
        self.problems: list[str] = []
        self._scene, self._files = scene, files
        self._reader = StampReader(scene)
        self._written: dict[str, TemplateSpec | None] = {}
        (files.folder / "templates").mkdir()

    def add(self, group: bpy.types.Collection | None, region: str, limits: Limits) -> Generator[str, None, list[int]]:
        """Adds the stamps of a region. Returns their indices. limits: of stamps without their own.

        Raises UserError where no stamp can be used.
        """
        used = stamps_of(self._scene.diffbmp.stamps, group)
        if not used and group is not None:
            raise UserError(
                f"The region {region} has no stamps: the collection {group.name} holds none that is used - "
                "add objects, images or texts to it"
            )
        if not used:
            raise UserError("There are no stamps: choose a collection, or add images, objects or a text")
        before = len(self.problems)
        indices = []
        for number, stamp in enumerate(used, 1):
            doing = f"Collecting stamp {number} of {len(used)}"
            yield doing
            if spec := (yield from self._spec(stamp, limits, doing)):
                indices.append(self._index(spec))
        if not indices:
            reasons = self.problems[before:] or self.problems
            raise UserError(f"No stamp can be used: {'; '.join(reasons)}")
        return indices

    def _spec(
        self, stamp: bpy.types.PropertyGroup, limits: Limits, doing: str
    ) -> Generator[str, None, TemplateSpec | None]:
        file = yield from self._file(stamp, doing)
        if file is None:
            return None
        mode, blend = color_mode(stamp if stamp.own else self._scene.diffbmp.stamps)
        if stamp.own and takes_steering(self._scene):
            limits = limits_of(stamp.limits)
        if takes_steering(self._scene):
            limits = replace(limits, share=round(stamp.share, 6))
        return replace(file, mode=mode, blend=blend, limits=limits)

    def _file(self, stamp: bpy.types.PropertyGroup, doing: str) -> Generator[str, None, TemplateSpec | None]:
        """The stamp's name, file and size; None where it cannot be used."""
        key = stamp.path_from_id()
        if key not in self._written:
            self._written[key] = yield from self._write(stamp, doing)
        return self._written[key]

    def _write(self, stamp: bpy.types.PropertyGroup, doing: str) -> Generator[str, None, TemplateSpec | None]:
        try:
            rgba: ByteArray = yield from waited(self._files.threads.submit(self._reader.reader_of(stamp)), doing)
        except NotWritten:  # without space, no stamp may be left out
            raise
        except UserError as error:
            self.problems.append(error.message)
            return None
        file = f"templates/{len(self._written):03d}_{file_name(stamp.name)}.png"
        self._files.write(file, rgba)
        THUMBNAILS.draw(stamp, rgba)
        height, width = rgba.shape[:2]
        return TemplateSpec(file, name=stamp.name, width=width, height=height)

    def _index(self, spec: TemplateSpec) -> int:
        if spec not in self.specs:
            self.specs.append(spec)
        return self.specs.index(spec)


def _region(mask: RegionMask, stamps: _Stamps) -> Generator[str, None, RegionSpec]:
    region = mask.region
    limits = region_limits(region) or stamp_limits(region.id_data)
    indices = yield from stamps.add(region.stamps, mask.name, limits)
    return RegionSpec(mask.name, mask.file, indices, round(region.share, 6), region_settings(region))


def _target(
    scene: bpy.types.Scene, files: _Files
) -> Generator[str, None, tuple[ByteArray | Footage, str, Clip | None]]:
    """The target, its path in the job, and its clip, None = still."""
    if moves(scene):
        footage = write_footage(scene, files.folder, need_pictures(scene))
        return footage, footage.file, footage.clip
    pixels = yield from target_steps(scene, files.threads)
    return pixels, files.write_into("target", "0001.npy", pixels), None


def _canvas(target: ByteArray | Footage, size: int) -> tuple[int, int]:
    """Width and height of the canvas for a target, px."""
    if isinstance(target, Footage):
        width, height = target.width, target.height
    else:
        height, width = target.shape[:2]
    multiple = 2 if isinstance(target, Footage) else 1
    factor = size / max(height, width) / multiple
    return multiple * max(1, round(width * factor)), multiple * max(1, round(height * factor))
