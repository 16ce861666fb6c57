"""The process in which cases run: `python -m tests.trust.support.fuzz.child TEMPORARY`. See process.Child."""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from backend.__main__ import main as run_command_line
from backend.control import Control
from backend.job import Clip, ExportJob, Job, TemplateSpec, UserError
from backend.layouts.rendering import render_layout
from backend.layouts.result_folder import load_result
from backend.pictures.images import load_gray, load_rgba, load_target
from backend.pictures.movies import frame_rate, is_moving, read_frames
from backend.runs import run_job
from backend.runs.export import run_export
from backend.templates import load_templates
from tests.trust.support.fuzz.guard import Guard

Act = Callable[[Path, list[str]], None]


class Refused(Exception):
    """A sentence for the user."""


def _job(folder: Path, arguments: list[str]) -> None:
    run_job(Job.load(folder), folder / "out", lambda event: None, Control())


def _export(folder: Path, arguments: list[str]) -> None:
    job = ExportJob.load(folder)
    run_export(Path(job.layout), folder / arguments[0], job.settings, lambda event: None, Control(), job.token)


def _layout(folder: Path, arguments: list[str]) -> None:
    layout, templates = load_result(folder)
    render_layout(layout, templates, engine="cpu", threads=1)
    (folder / "export.json").write_text(
        json.dumps({"schema": 1, "layout": ".", "settings": {"engine": "cpu", "threads": 1}, "token": "abc"})
    )
    _export(folder, [f"out{arguments[0]}"])


def _picture(folder: Path, arguments: list[str]) -> None:
    path, refusals = folder / arguments[0], list[UserError]()
    acts: list[Callable[[], object]] = [
        lambda: load_rgba(path),
        lambda: load_target(path, 16),
        lambda: load_gray(path, 8, 8),
        lambda: load_templates([TemplateSpec(str(path))]),
        lambda: is_moving(path),
    ]
    for act in acts:
        try:
            act()
        except UserError as error:
            refusals.append(error)
    if refusals:
        raise refusals[0]


def _movie(folder: Path, arguments: list[str]) -> None:
    path = folder / arguments[0]
    for _ in read_frames(path, Clip(end=3)):
        pass
    frame_rate(path, Clip())


def _options(folder: Path, arguments: list[str]) -> None:
    errors = io.StringIO()
    try:
        with contextlib.redirect_stderr(errors), contextlib.redirect_stdout(io.StringIO()):
            status = run_command_line(arguments)
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 1
    if status:
        said = [line for line in errors.getvalue().split("\n") if line.strip()]
        # What it tells of its progress comes first.
        raise Refused(said[-1] if said else f"nothing but the status {status}")


ACTS: dict[str, Act] = {
    "job": _job,
    "export": _export,
    "layout": _layout,
    "arrays": _layout,
    "picture": _picture,
    "movie": _movie,
    "options": _options,
}
STRANGERS = ("job", "layout", "arrays")
"""Kinds whose files come from strangers: they may name nothing outside of their folder."""


def answer(act: Act, folder: Path, arguments: list[str]) -> dict[str, Any]:
    """Does something. Returns how it ends: "done", "refused" with a message, "traceback" with that."""
    try:
        act(folder, arguments)
    except UserError as error:
        return {"end": "refused", "message": error.message}
    except Refused as refusal:
        return {"end": "refused", "message": str(refusal)}
    except BaseException:  # noqa: BLE001  that is what is looked for
        return {"end": "traceback", "message": traceback.format_exc(limit=-12)[-4000:]}
    return {"end": "done", "message": ""}


def serve(acts: dict[str, Act], temporary: str) -> None:
    """Answers requests, a line of JSON each, until the end of stdin."""
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # stray prints
    guard = Guard()
    replies.write("\n")
    replies.flush()
    for line in sys.stdin:
        request = json.loads(line)
        kind, folder = request["kind"], Path(request["folder"])
        secret = request["outside"] if kind in STRANGERS else ""
        os.chdir(folder)
        with guard.watching((f"{folder}{os.sep}", temporary), secret) as escapes:
            reply = answer(acts[kind], folder, request["arguments"])
        replies.write(json.dumps({**reply, "escapes": escapes[:3]}) + "\n")
        replies.flush()


if __name__ == "__main__":
    serve(ACTS, sys.argv[1])
