"""A job of a fit, and the folder that holds it."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass, field
from pathlib import Path

from .clip import Clip
from .errors import UserError
from .paths import check_entries, inside, relative
from .schema import SCHEMA, from_dict, objects_of, read_json, write_json
from .settings import RegionSpec, Settings, TemplateSpec

IMPORTANCE = 8.0
"""Weight of white in an importance picture, relative to black."""


_ADVICE = "put the file into that folder, or fit with --outside if you trust the job"


@dataclass
class Job:
    """A target, stamps and settings. Paths are relative to the job's folder and below it, or absolute; "" = none.

    mask: a gray picture; the target counts where it is white, and nothing is placed where it is black.
    importance: a gray picture; errors weigh IMPORTANCE times as much where it is white as where it is black.
    start: a layout folder to continue from.
    regions: parts of the canvas with stamps of their own, the front one first; mask applies to all of them.
    clip: None = the target is a picture. Otherwise it is a movie, an animated picture, a folder of pictures, or the
    first picture of a numbered sequence. So may each mask be; one that is a picture applies to all frames.
    """

    target: str
    templates: list[TemplateSpec]
    settings: Settings = field(default_factory=Settings)
    mask: str = ""
    importance: str = ""
    start: str = ""
    regions: list[RegionSpec] = field(default_factory=list)
    clip: Clip | None = None

    def __post_init__(self) -> None:
        if not self.templates:
            raise UserError("There is no stamp: give at least one picture to make the target of")
        for region in self.regions:
            wrong = [index for index in region.stamps if not 0 <= index < len(self.templates)]
            if wrong:
                raise UserError(
                    f"The region {region.name} uses the stamp {wrong[0]}, but they are 0 to {len(self.templates) - 1}"
                )
        if self.regions and self.start:
            raise UserError("A fit of regions cannot continue from a layout: leave out one of the two")

    def save(self, folder: Path) -> None:
        """Writes job.json into the folder. The caller writes the pictures that it names."""
        data = asdict(self)
        for part, key in (
            *((data, key) for key in ("target", "mask", "importance", "start")),
            *((spec, "file") for spec in data["templates"]),
            *((region, "mask") for region in data["regions"]),
        ):
            part[key] = relative(folder, part[key])
        write_json(folder / "job.json", {"schema": SCHEMA, **data})

    @classmethod
    def load(cls, folder: Path, outside: bool = False) -> Job:
        """Reads a job folder, with absolute paths. outside: follows paths that lead out of the folder.

        Raises UserError for unknown keys, wrong types, and paths that are not allowed, see paths.inside.
        """
        data = read_json(Path(inside(folder, "job.json")))
        where = str(folder / "job.json")
        settings = from_dict(Settings, data.pop("settings", {}), where)
        specs = objects_of(TemplateSpec, data, "templates", where)
        regions = objects_of(RegionSpec, data, "regions", where)
        job: Job = from_dict(cls, {**data, "templates": specs, "settings": settings, "regions": regions}, where)
        job._find_files(folder, outside)
        return job

    def _find_files(self, folder: Path, outside: bool) -> None:
        """Makes the paths absolute."""
        for spec in self.templates:
            spec.file = inside(folder, spec.file, outside=outside, advice=_ADVICE)
        for region in self.regions:
            region.mask = _picture(folder, region.mask, outside)
        self.target = _picture(folder, self.target, outside)
        self.mask = _picture(folder, self.mask, outside)
        self.importance = inside(folder, self.importance, outside=outside, advice=_ADVICE)
        self.start = inside(folder, self.start, outside=outside, folders=True, advice=_ADVICE)


def _picture(folder: Path, name: str, outside: bool) -> str:
    """Returns the path of a picture, or of what moves: the pictures beside it may belong to it."""
    path = inside(folder, name, outside=outside, folders=True, advice=_ADVICE)
    if name and not outside:
        frames = name if os.path.isdir(path) else os.path.dirname(name)
        if os.path.isdir(folder / frames):
            check_entries(folder, frames, advice=_ADVICE)
    return path
