"""A warm worker that runs mixed jobs: fits, clips, exports of all formats, cancels, errors."""

from __future__ import annotations

import json
import queue
import random
import shutil
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from backend.job import Clip, ExportSettings
from tests.trust.support.fuzz.generate import ENDINGS, job_data, stamp
from tests.trust.support.fuzz.process import WORKER, Process

PATIENCE = 120.0
"""Longest time of a job, s."""
_ROUND = ("fit", "export", "fit", "export", "cancel", "clip", "export", "error", "export of a clip", "export")


class WarmJobs:
    """Runs jobs below a folder, which is empty, with pictures of a few pixels. temporary: the worker's own folder."""

    def __init__(self, folder: Path) -> None:
        self.temporary = folder / "temporary"
        self._folder, self._result, self._clip = folder / "jobs", folder / "result", folder / "clip"
        for path in (self.temporary, self._folder, folder / "shot"):
            path.mkdir()
        for number in range(1, 4):
            (folder / "shot" / f"shot_{number:03d}.png").write_bytes(stamp())
        self._shot = folder / "shot"
        self._process = Process(WORKER, self.temporary, folder / "worker.log")

    @property
    def process_id(self) -> int:
        return self._process.number

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.end()

    def run(self, number: int) -> None:
        """Runs a job, which depends on its number only. Raises AssertionError where it does not end as it should."""
        kind = _ROUND[(number - 1) % len(_ROUND)]
        rng = random.Random(number)
        shutil.rmtree(self._folder)
        self._folder.mkdir()
        if kind.startswith("export"):
            layout = self._clip if kind.endswith("clip") and self._clip.exists() else self._result
            self._export(layout, rng.choice(ENDINGS), number)
            return
        data = self._job(rng, kind)
        (self._folder / "job.json").write_text(json.dumps(data), encoding="utf-8")
        out = {"fit": self._result, "clip": self._clip}.get(kind, self._folder / "out")
        self._send(command="fit", job=str(self._folder), out=str(out), outside=True)
        if kind == "cancel":
            self._wait("progress")
            self._send(command="cancel")
        said = self._wait("done", "error")
        assert said["event"] == ("error" if kind == "error" else "done"), said

    def _job(self, rng: random.Random, kind: str) -> dict[str, Any]:
        data = job_data()
        for name in ("pictures/target.png", "pictures/mask.png", "templates/a.png", "templates/b.png"):
            (self._folder / name).parent.mkdir(exist_ok=True)
            (self._folder / name).write_bytes(stamp())
        settings = data["settings"]
        settings |= {"size": rng.choice((16, 24, 40)), "count": rng.randint(5, 60), "iterations": rng.randint(1, 4)}
        if kind == "clip":
            data |= {"target": str(self._shot / "shot_001.png"), "mask": "", "importance": ""}
            data["clip"] = asdict(Clip(end=3, iterations=1, refinement=1))
        elif kind == "cancel":
            settings |= {"iterations": 100_000, "preview_seconds": 0.01}
        elif kind == "error":
            (self._folder / rng.choice(("pictures/target.png", "templates/a.png", "pictures/mask.png"))).write_bytes(
                b"no picture"
            )
        return data

    def _export(self, layout: Path, ending: str, number: int) -> None:
        settings = asdict(ExportSettings(width=48, engine="cpu", threads=1))
        job = {"schema": 1, "layout": str(layout), "settings": settings, "token": str(number)}
        (self._folder / "export.json").write_text(json.dumps(job), encoding="utf-8")
        self._send(command="export", job=str(self._folder), out=str(self._folder / f"out{ending}"), outside=True)
        said = self._wait("done", "error")
        assert said["event"] == "done", said

    def _send(self, **command: str | bool) -> None:
        self._process.send(json.dumps(command))

    def _wait(self, *events: str) -> dict[str, Any]:
        """Returns the next of these events."""
        while True:
            try:
                line = self._process.receive(PATIENCE)
            except queue.Empty:
                raise AssertionError(f"the worker says nothing: no {events}") from None
            assert line is not None, f"the worker has ended with {self._process.code()}"
            said: dict[str, Any] = json.loads(line)
            if said["event"] in events:
                return said
