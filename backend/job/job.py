"""A job: what a fit is asked to do, and the folder that holds it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path

from .clip import Clip
from .errors import UserError
from .schema import SCHEMA, absolute_path, from_dict, objects_of, read_json, write_json
from .settings import (
    RegionSpec,
    Settings,
    TemplateSpec,
)

IMPORTANCE = 8.0
"""How many times as much as black the white of an importance picture weighs."""


# --- what a fit is asked to do ---------------------------------------------------------------------------------------


@dataclass
class Job:
    """A target, stamps and settings. Paths are relative to the job's folder, or absolute; "" = none.

    mask: a grey picture that says where the target counts (white) and where nothing is placed (black).
    importance: a grey picture that says where errors weigh more (white: IMPORTANCE times as much as black).
    start: a layout folder to continue from.
    regions: parts of the canvas with stamps of their own, the front one first; mask holds for all of them.
    clip: None = the target is a picture. Else it is a movie, an animated picture, a folder of pictures, or the first
    picture of a numbered sequence, and so may be each mask; one that is a picture holds for all frames.
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
        """Writes job.json into the folder; the pictures it names are the caller's to write."""
        write_json(folder / "job.json", {"schema": SCHEMA, **asdict(self)})

    @classmethod
    def load(cls, folder: Path) -> Job:
        """Reads a job folder; its paths come back absolute. Raises UserError for what is unknown or of a wrong type."""
        data = read_json(folder / "job.json")
        where = str(folder / "job.json")
        settings = from_dict(Settings, data.pop("settings", {}), where)
        specs = objects_of(TemplateSpec, data, "templates", where)
        regions = objects_of(RegionSpec, data, "regions", where)
        job = from_dict(cls, {**data, "templates": specs, "settings": settings, "regions": regions}, where)
        job.target = absolute_path(folder, job.target)
        job.mask = absolute_path(folder, job.mask)
        job.importance = absolute_path(folder, job.importance)
        job.start = absolute_path(folder, job.start)
        for spec in job.templates:
            spec.file = absolute_path(folder, spec.file)
        for region in job.regions:
            region.mask = absolute_path(folder, region.mask)
        return job
