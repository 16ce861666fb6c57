"""An artist's own files are never deleted, and two runs never write to one place."""

from __future__ import annotations

import os
import shutil
import socket
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from backend.control import Control
from backend.export import export
from backend.job import (
    Layout,
    TemplateSpec,
    UserError,
    files,
    folder_aside,
    hidden_folder,
    settled,
    sole_writer,
    sweep,
    write_json,
    written_aside,
)
from backend.job.job import Job
from backend.job.locks import Hold
from backend.job.messages import Event, Progress
from backend.layouts.result_folder import ResultFolder, load_result
from backend.runs import run_job
from backend.runs.journal import RECORDS, FolderJournal
from backend.templates import load_templates


@pytest.fixture
def result(tmp_path: Path, job: Job) -> Path:
    """A whole result with a folder of frames."""
    out = tmp_path / "out"
    templates = load_templates(job.templates)
    layout = make_layout(job.templates[0])
    folder = ResultFolder(out, templates)
    folder.save(layout)
    folder.finish_clip([(-1, np.zeros((3, 48, 64), np.float32)), (1, np.zeros((3, 48, 64), np.float32))], dict)
    folder.record(layout)
    return out


def make_layout(spec: TemplateSpec) -> Layout:
    one = np.ones((1, 1))
    return Layout(
        x=one,
        y=one,
        scale=8 * one,
        aspect=one,
        rotation=one,
        opacity=one,
        color=np.ones((1, 1, 3)),
        template=np.zeros(1),
        level=np.zeros((1, 2)),
        region=np.zeros(1),
        mirror=np.zeros(1),
        locked=np.zeros(1),
        width=64,
        height=48,
        templates=[replace(spec, width=40, height=24)],
    )


def files_of(folder: Path) -> dict[Path, bytes]:
    return {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def run(job: Job, out: Path) -> None:
    run_job(job, out, lambda event: None, Control())


@pytest.mark.parametrize(
    ("name", "named"),
    [
        ("render/holiday.jpg", "render/holiday.jpg"),
        ("render/1.png", "render/1.png"),
        ("render/mine/0001.png", "render/mine"),
        ("levels/notes.txt", "levels/notes.txt"),
        ("templates/leaf.png", "templates/leaf.png"),
        ("recording/film.mp4", "recording/film.mp4"),
        ("progress/notes.txt", "progress/notes.txt"),
        ("preview.png/notes.txt", "preview.png"),
        ("photos/0001.png", "photos"),
        ("layout.txt", "layout.txt"),
    ],
)
def test_a_result_with_something_else_in_it_is_left_alone(job: Job, result: Path, name: str, named: str) -> None:
    path = result / name
    path.parent.mkdir(exist_ok=True)
    path.write_text("mine")
    before = files_of(result)
    with pytest.raises(UserError, match=rf"holds other things than a result \({named}\)"):
        run(job, result)
    assert files_of(result) == before


@pytest.mark.skipif(os.name != "posix", reason="symbolic links need rights on Windows")
def test_a_link_in_a_result_is_left_alone(job: Job, result: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (result / "render" / "0007.png").symlink_to(job.target)
    with pytest.raises(UserError, match=r"render/0007\.png"):
        run(job, result)
    shutil.rmtree(result / "render")
    (result / "render").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UserError, match=r"\(render\)"):
        run(job, result)
    assert (tmp_path / "elsewhere").is_dir()


def test_what_runs_and_file_browsers_write_is_replaced(job: Job, result: Path) -> None:
    for name in (
        ".DS_Store",
        "render/.DS_Store",
        "levels/Thumbs.db",
        ".directory",
        "._layout.npz",
        "render/._0001.png",
        "templates/009_bla\u0308tter.png",
        ".layout-k3kd93ja.npz",
        "render/.0001-k3kd93ja.png",
    ):
        (result / name).write_text("")
    run(job, result)
    assert not (result / "render").exists()


def test_a_file_that_comes_during_the_fit_stays(job: Job, result: Path) -> None:
    def come(event: Event) -> None:
        (result / "levels" / "holiday.jpg").write_text("mine")

    with pytest.raises(UserError, match=r"levels/holiday\.jpg"):
        run_job(job, result, come, Control())
    assert (result / "levels" / "holiday.jpg").read_text() == "mine"
    assert Layout.load(result).count == 1


def test_a_file_that_comes_at_the_last_moment_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "out").mkdir()

    def check(old: Path) -> None:
        if (old / "holiday.jpg").exists():
            raise UserError("mine")

    def late(swap: Callable[[Path, Path], bool], one: Path, other: Path) -> bool:
        (tmp_path / "out" / "holiday.jpg").write_text("mine")
        return swap(one, other)

    for swap in (files._swap, lambda one, other: False):
        monkeypatch.setattr(files, "_swap", partial(late, swap))
        with pytest.raises(UserError, match="mine"), folder_aside(tmp_path / "out", check):
            pass
        assert [path.name for path in tmp_path.rglob("*")] == ["out", "holiday.jpg"]
        (tmp_path / "out" / "holiday.jpg").unlink()


def test_a_result_that_is_removed_during_the_fit_is_written_anew(job: Job, tmp_path: Path) -> None:
    out, rounds = tmp_path / "out", []
    job.settings = replace(job.settings, preview_seconds=0.001)

    def remove(event: Event) -> None:
        if isinstance(event, Progress) and out.exists():
            rounds.append(1)
            shutil.rmtree(out)

    run_job(job, out, remove, Control())
    assert rounds
    assert load_result(out)[0].count == 40
    assert (out / "metrics.json").exists()


@pytest.mark.parametrize("step", ["preview", "finish", "save"])
def test_no_step_makes_a_folder_that_was_removed_without_its_layout(
    job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    out, layout = tmp_path / "out", make_layout(job.templates[0])
    folder = ResultFolder(out, load_templates(job.templates))
    folder.save(layout)
    ours = folder._is_ours
    gone: list[bool] = []

    def removed_after_a_look() -> bool:
        found = ours()
        if not gone:
            gone.append(True)
            shutil.rmtree(out)
        return found

    monkeypatch.setattr(folder, "_is_ours", removed_after_a_look)
    image = np.zeros((3, 48, 64), np.float32)
    steps: dict[str, Callable[[], object]] = {
        "preview": partial(folder.preview, image),
        "finish": partial(folder.finish, image, {}),
        "save": partial(folder.save, layout),
    }
    steps[step]()
    assert gone
    assert load_result(out)[0].count == 1


def test_a_second_run_on_one_place_says_who_is_there(job: Job, tmp_path: Path) -> None:
    out, said = tmp_path / "out", list[str]()

    def again(event: Event) -> None:
        if not said:
            with pytest.raises(UserError) as caught:
                run(job, out)
            said.append(caught.value.message)

    run_job(job, out, again, Control())
    assert said == [
        f"{out} is being written by another fit (process {os.getpid()} on {socket.gethostname()}): "
        "wait for it, or choose another folder"
    ]
    assert not list(tmp_path.glob(".*"))
    run(job, out)


def test_a_sweep_removes_what_has_no_owner(tmp_path: Path) -> None:
    with written_aside(tmp_path / "a.txt") as file, hidden_folder(tmp_path / "b") as folder:
        with sole_writer(tmp_path / "c", "fit"):
            (folder / "inside").write_text("")
            (tmp_path / ".diffbmp-k3kd93ja.png").write_text("")
            (tmp_path / ".diffbmp-k3kd93jb" / "x").mkdir(parents=True)
            (tmp_path / ".diffbmp-k3kd93jc.lock").write_text("")
            sweep(tmp_path)
            assert file.exists()
            assert (folder / "inside").exists()
            assert len(list(tmp_path.iterdir())) == 3
        file.write_text("whole")
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


def test_a_sweep_gives_back_what_an_exchange_in_steps_left(tmp_path: Path) -> None:
    attic = tmp_path / ".diffbmp-k3kd93ja.old"
    (attic / "out").mkdir(parents=True)
    (attic / "out" / "layout.json").write_text("older")
    sweep(tmp_path)
    assert (tmp_path / "out" / "layout.json").read_text() == "older"
    assert not attic.exists()


def test_a_sweep_between_the_making_and_the_lock_does_no_harm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hold, swept = files.Hold, list[Path]()

    def late(path: Path) -> Hold:
        if not swept:
            swept.append(path)
            sweep(tmp_path)
        return hold(path)

    monkeypatch.setattr(files, "Hold", late)
    with written_aside(tmp_path / "a.txt") as aside:
        aside.write_text("whole")
    assert swept
    assert (tmp_path / "a.txt").read_text() == "whole"


@pytest.mark.parametrize("name", ["n" * 251 + ".txt", "n" * 255, "a." + "n" * 250])
def test_long_names_can_be_written(tmp_path: Path, name: str) -> None:
    with written_aside(tmp_path / name) as aside:
        aside.write_text("whole")
    with folder_aside(tmp_path / "f" / name):
        pass
    assert (tmp_path / name).read_text() == "whole"
    assert (tmp_path / "f" / name).is_dir()


def test_on_windows_a_file_that_is_read_is_replaced_a_moment_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replaced, tries = os.replace, list[int]()

    def busy(source: Path, place: Path) -> None:
        tries.append(1)
        if len(tries) < 3:
            raise PermissionError(13, "Access is denied")
        replaced(source, place)

    monkeypatch.setattr(os, "replace", busy)
    monkeypatch.setattr(sys, "platform", "win32")
    with written_aside(tmp_path / "a.txt") as aside:
        aside.write_text("whole")
    assert len(tries) == 3
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


def test_a_sentence_never_names_a_hidden_path(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught, folder_aside(tmp_path / "out") as folder:
        write_json(folder / "missing" / "x.json", {}, parents=False)
    assert caught.value.message.startswith(f"{tmp_path / 'out' / 'missing' / 'x.json'} cannot be written to")


def test_a_reader_reads_again_where_a_run_replaces_what_it_reads(job: Job, result: Path) -> None:
    folder, tries = ResultFolder(result, load_templates(job.templates)), list[int]()
    layout = make_layout(job.templates[0])

    def read() -> int:
        tries.append(1)
        if len(tries) == 1:
            folder.save(layout)
            raise UserError("half of the older, half of the newer")
        return len(tries)

    assert settled(result, read) == 2
    with pytest.raises(UserError, match="for good"):
        settled(result, partial(_fail, tries))
    assert len(tries) == 3


def _fail(tries: list[int]) -> None:
    tries.append(1)
    raise UserError("broken for good")


@pytest.mark.parametrize("at_once", [True, False])
def test_a_reader_beside_a_writer_sees_whole_results(
    job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at_once: bool
) -> None:
    if not at_once:
        monkeypatch.setattr(files, "_swap", lambda one, other: False)
    specs = [replace(job.templates[0], name=name) for name in ("one", "two")]
    writers = [ResultFolder(tmp_path / "out", load_templates([spec])) for spec in specs]
    layouts = [make_layout(spec) for spec in specs]
    writers[0].save(layouts[0])
    done = threading.Event()

    def write() -> None:
        for number in range(40):
            writers[number % 2].save(layouts[number % 2])  # replaces the other's folder as a whole
        done.set()

    thread = threading.Thread(target=write)
    thread.start()
    seen = set()
    while not done.is_set():
        layout, templates = load_result(tmp_path / "out")
        assert [spec.name for spec in layout.templates] == [item.name for item in templates.items]
        seen.add(layout.templates[0].name)
    thread.join()
    assert seen == {"one", "two"}
    assert [path.name for path in tmp_path.glob(".*")] == []


def test_an_export_leaves_what_is_not_its_own(result: Path, tmp_path: Path) -> None:
    place = tmp_path / "sheets"
    export(*load_result(result), place)
    export(*load_result(result), place)
    for name in ("layers/holiday.png", "layers/more/0001.png", "notes.txt"):
        (place / name).parent.mkdir(exist_ok=True)
        (place / name).write_text("mine")
        before = files_of(place)
        with pytest.raises(UserError, match="holds other files"):
            export(*load_result(result), place)
        assert files_of(place) == before
        (place / name).unlink()
        if name.startswith("layers/more"):
            (place / "layers" / "more").rmdir()


@pytest.mark.parametrize("left", [[], [".diffbmp-k3kd93ja"], [".job-k3kd93ja"]])
def test_progress_without_a_seal_is_replaced(job: Job, tmp_path: Path, left: list[str]) -> None:
    """A run that was killed in its first moments, or found the disk full, leaves its place usable."""
    (tmp_path / "out" / "progress").mkdir(parents=True)
    for name in left:
        (tmp_path / "out" / "progress" / name).write_text("")
    journal = FolderJournal(tmp_path / "out" / "progress", job)
    journal.save("frame_000000", {"x": np.ones(2)})
    shutil.rmtree(tmp_path / "out")
    journal.save("frame_000001", {"x": np.ones(2)})
    assert sorted(path.name for path in (tmp_path / "out" / "progress").iterdir()) == ["frame_000001.npz", "job"]
    run(job, tmp_path / "out")


def test_progress_of_an_earlier_version_is_dropped(job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its frames are by other random numbers."""
    place = tmp_path / "progress"
    with monkeypatch.context() as earlier:
        earlier.setattr("backend.runs.journal.RECORDS", RECORDS - 1)
        FolderJournal(place, job).save("frame_000000", {"x": np.ones(2)})
        assert FolderJournal(place, job).frames == 1
    journal = FolderJournal(place, job)
    assert journal.dropped
    assert journal.frames == 0
    # How the result is measured changes no frame.
    journal.save("frame_000000", {"x": np.ones(2)})
    again = FolderJournal(place, replace(job, settings=replace(job.settings, exact=True)))
    assert (again.dropped, again.frames) == (False, 1)
