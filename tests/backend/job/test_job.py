"""Jobs, layouts, events and commands: what is written comes back, and everything wrong is named."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from backend.job import Settings, TemplateSpec, UserError, folder_aside, write_json, written_aside
from backend.job.job import Job
from backend.job.layout import Layout
from backend.job.messages import Command, Done, Error, Event, Log, Progress, decode_event, encode_event


def make_layout(count: int = 5, frames: int = 2) -> Layout:
    random = np.random.default_rng(1)
    per_frame: dict[str, Any] = {
        name: random.random((frames, count)) for name in ("x", "y", "scale", "aspect", "rotation", "opacity")
    }
    return Layout(
        **per_frame,
        color=random.random((frames, count, 3)),
        template=np.arange(count) % 2,
        level=random.integers(0, 9, (count, 2)),
        region=np.zeros(count),
        mirror=np.arange(count) % 3 == 0,
        locked=np.arange(count) % 3 == 1,
        width=64,
        height=48,
        templates=[
            TemplateSpec("templates/a.png", "a", "mix", 0.25, 7, 8),
            TemplateSpec("templates/b.png", "b", width=3, height=4),
        ],
        space="linear",
        background=(0.1, 0.2, 0.3),
        frames=[3, 4],
    )


def test_job_round_trip(tmp_path: Path) -> None:
    job = Job(
        "target/a.png", [TemplateSpec("templates/x.png", "x", "multiply", 0.5)], Settings(count=7, seed=9), "m.png"
    )
    job.save(tmp_path)
    loaded = Job.load(tmp_path)
    assert loaded.target == str(tmp_path / "target/a.png")
    assert loaded.templates[0].file == str(tmp_path / "templates/x.png")
    assert loaded.mask == str(tmp_path / "m.png")
    assert loaded.start == ""
    assert loaded.settings == job.settings
    assert loaded.templates[0].mode == "multiply"
    assert [path.name for path in tmp_path.iterdir()] == ["job.json"]


def test_layout_round_trip(tmp_path: Path) -> None:
    layout = make_layout()
    layout.save(tmp_path)
    loaded = Layout.load(tmp_path)
    for name, value in vars(layout).items():
        if isinstance(value, np.ndarray):
            assert getattr(loaded, name).dtype == value.dtype
            assert (getattr(loaded, name) == value).all(), name
        elif name != "templates":
            assert getattr(loaded, name) == value, name
    assert [spec.file for spec in loaded.templates] == [str(tmp_path / f"templates/{x}.png") for x in "ab"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["layout.json", "layout.npz"]


GOOD: dict[str, Any] = {"schema": 1, "target": "a.png", "templates": [{"file": "b.png"}], "settings": {}}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"hue": 1}, "unknown key 'hue'"),
        ({"settings": {"cuont": 5}}, "unknown key 'cuont'.*count"),
        ({"templates": [{"file": "b.png", "size": 3}]}, "unknown key 'size'"),
        ({"settings": {"count": "many"}}, "count is 'many'.*int"),
        ({"settings": {"count": 5.0}}, "count is 5.0.*int"),
        ({"settings": {"count": True}}, "count is True.*int"),
        ({"settings": {"count": 0}}, "count is 0.*from 1 to"),
        ({"settings": {"size": 9000}}, "size is 9000.*to 8192"),
        ({"settings": {"preview_seconds": float("nan")}}, "preview_seconds is nan"),
        ({"settings": {"engine": "gpu"}}, "engine is 'gpu'.*auto, cuda, cpu"),
        ({"settings": {"space": "lab"}}, "space is 'lab'.*display, linear"),
        ({"settings": {"background": [1, 2]}}, "background.*3 values"),
        ({"settings": {"background": [0, 0, 2]}}, "background is 2"),
        ({"settings": {"background": "white"}}, "background is 'white'"),
        ({"settings": []}, r"\[\] is not an object"),
        ({"templates": [{"file": "b.png", "mode": "add"}]}, "mode is 'add'.*tint, mix, multiply"),
        ({"templates": [{"file": "b.png", "blend": 2}]}, "blend is 2"),
        ({"templates": [{"name": "b"}]}, "key 'file' is missing"),
        ({"templates": ["b.png"]}, "'b.png' is not an object"),
        ({"templates": 5}, "templates is 5.*list"),
        ({"templates": []}, "no stamp"),
        ({"target": 5}, "target is 5.*str"),
        ({"schema": 99}, "schema 1 is needed"),
    ],
)
def test_a_wrong_job_is_named(tmp_path: Path, change: dict[str, Any], words: str) -> None:
    (tmp_path / "job.json").write_text(json.dumps({**GOOD, **change}))
    with pytest.raises(UserError, match=words):
        Job.load(tmp_path)


def test_a_job_without_its_target_is_named(tmp_path: Path) -> None:
    (tmp_path / "job.json").write_text(json.dumps({key: value for key, value in GOOD.items() if key != "target"}))
    with pytest.raises(UserError, match="key 'target' is missing"):
        Job.load(tmp_path)


@pytest.mark.parametrize("text", [b"", b"{", b"[1]", b"null", b'{"schema": 1', b"\xff\xfe\x00"])
def test_what_is_no_job_is_named(tmp_path: Path, text: bytes) -> None:
    (tmp_path / "job.json").write_bytes(text)
    with pytest.raises(UserError, match=r"job.json is not"):
        Job.load(tmp_path)
    with pytest.raises(UserError, match=r"job.json cannot be read"):
        Job.load(tmp_path / "nowhere")


def test_a_damaged_layout_is_named(tmp_path: Path) -> None:
    make_layout().save(tmp_path)
    whole = (tmp_path / "layout.npz").read_bytes()
    middle = bytearray(whole)
    middle[len(whole) // 3] ^= 0xFF
    directory = whole.index(b"PK\x01\x02")  # with the archive's version and flags
    newer, encrypted = bytearray(whole), bytearray(whole)
    newer[directory + 6] = 99
    encrypted[directory + 8] |= 1
    for data in (
        b"",
        b"no archive",
        whole[: len(whole) // 2],
        bytes(middle),
        whole[:-4],
        bytes(newer),
        bytes(encrypted),
    ):
        (tmp_path / "layout.npz").write_bytes(data)
        with pytest.raises(UserError, match=r"layout.npz"):
            Layout.load(tmp_path)
    (tmp_path / "layout.npz").unlink()
    with pytest.raises(UserError, match=r"layout.npz cannot be read"):
        Layout.load(tmp_path)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("x", np.full((2, 5), np.nan), "not finite"),
        ("scale", np.zeros((2, 4)), r"scale has the shape \(2, 4\)"),
        ("template", np.full(5, 2), "uses a stamp that it does not have"),
        ("template", np.array(0), "shape"),
        ("color", np.array(["red"]), "color is not an array of numbers"),
        ("opacity", np.array([{}], object), "cannot be read"),
        ("extra", np.zeros(3), "unknown key 'extra'"),
    ],
)
def test_wrong_arrays_are_named(tmp_path: Path, name: str, value: Any, words: str) -> None:
    make_layout().save(tmp_path)
    with np.load(tmp_path / "layout.npz") as archive:
        arrays = dict(archive)
    np.savez(tmp_path / "layout.npz", **{**arrays, name: value})
    with pytest.raises(UserError, match=words):
        Layout.load(tmp_path)


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("width", 0, "width is 0"),
        ("height", "tall", "height is 'tall'"),
        ("frames", "ab", "frames is 'ab'"),
        ("frames", [1, 2.5], "frames is"),
        ("space", "lab", "space is 'lab'"),
        ("templates", None, "templates is None"),
        ("hue", 3, "unknown key 'hue'"),
    ],
)
def test_wrong_facts_of_a_layout_are_named(tmp_path: Path, key: str, value: Any, words: str) -> None:
    make_layout().save(tmp_path)
    facts = json.loads((tmp_path / "layout.json").read_text())
    (tmp_path / "layout.json").write_text(json.dumps({**facts, key: value}))
    with pytest.raises(UserError, match=words):
        Layout.load(tmp_path)


@pytest.mark.parametrize(
    "event", [Progress(3, 9, 0.5, 21.5, 4.25, "/x/preview.png"), Log("a\nb"), Error("no", "use_cpu"), Done("/x", True)]
)
def test_events_are_single_lines_and_come_back(event: Event) -> None:
    line = encode_event(event)
    assert "\n" not in line
    assert decode_event(line) == event


@pytest.mark.parametrize("line", ["", "loading model", "[]", "{}", '{"event": "party"}', '{"event": "log", "txt": ""}'])
def test_other_lines_are_no_events(line: str) -> None:
    with pytest.raises(UserError):
        decode_event(line)


def test_commands_come_back_and_others_are_refused() -> None:
    command = Command("fit", "/job", "/out")
    assert Command.decode(command.encode()) == command
    for line in ("fit", "{}", '{"command": "dance"}', '{"command": "quit", "now": true}', "7"):
        with pytest.raises(UserError):
            Command.decode(line)


def test_a_failed_write_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_json(path, {"a": 1})
    before = path.read_bytes()
    with pytest.raises(UnicodeEncodeError), written_aside(path) as aside:
        aside.write_text("half \ud800", encoding="utf-8")
    with pytest.raises(UserError, match="cannot be written to"), written_aside(path) as aside:
        aside.unlink()
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.json"]


def test_a_failed_folder_leaves_what_was_there(tmp_path: Path) -> None:
    folder = tmp_path / "result"
    with folder_aside(folder) as aside:
        (aside / "a").write_text("first")
    with pytest.raises(UnicodeEncodeError), folder_aside(folder) as aside:
        (aside / "a").write_text("half \ud800", encoding="utf-8")
    assert (folder / "a").read_text() == "first"
    with folder_aside(folder) as aside:
        (aside / "b").write_text("second")
    assert [path.name for path in folder.iterdir()] == ["b"]
    assert [path.name for path in tmp_path.iterdir()] == ["result"]


def test_the_older_folder_comes_back_where_the_exchange_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "result"
    folder.mkdir()
    (folder / "a").write_text("first")
    replace = os.replace

    def fail_once(source: Path, place: Path) -> None:
        if Path(place) == folder and Path(source).parent == tmp_path:
            raise OSError(28, "No space left on device")
        replace(source, place)

    monkeypatch.setattr(os, "replace", fail_once)
    monkeypatch.setattr("backend.job.files._swap", lambda one, other: False)  # as on Windows
    with pytest.raises(UserError, match="No space left"), folder_aside(folder) as aside:
        (aside / "a").write_text("second")
    assert (folder / "a").read_text() == "first"
    assert [path.name for path in tmp_path.iterdir()] == ["result"]


def test_a_file_in_place_of_a_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be written to"):
        write_json(tmp_path / "file" / "a.json", {})
    with pytest.raises(UserError, match="cannot be written to"), folder_aside(tmp_path / "file" / "out"):
        pass
