"""JSON, lines and paths from strangers: each that is wrong is named in a short sentence."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from backend.job import (
    ExportJob,
    RegionSpec,
    TemplateSpec,
    UserError,
    bounded_lines,
    decode_event,
    given_path,
    read_json,
)
from backend.job.job import Job
from backend.job.layout import Layout
from backend.job.messages import MOST_LINE, Command
from backend.job.schema import MOST_BYTES

READERS: dict[str, Callable[[Path], Any]] = {
    "job.json": Job.load,
    "export.json": ExportJob.load,
    "layout.json": Layout.load,
}


def message_of(call: Callable[[], Any]) -> str:
    with pytest.raises(UserError) as caught:
        call()
    assert caught.value.message.isprintable()
    return caught.value.message


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[" * 100_000, "is nested too deeply"),
        ('{"schema": 1, "templates": ' + '{"a":' * 100_000, "is nested too deeply"),
        ('{"schema": 1, "templates": ' + "1" * 5000 + "}", "is not valid JSON"),
        ('{"schema": NaN}', "schema 1 is needed"),
        ('{"schema": 1, "' + "n" * 5000 + '": 1}', " ... nnn"),
        ("", "is not valid JSON"),
        ("\x00", "is not valid JSON"),
    ],
    ids=["nested", "nested inside", "digits", "nan", "key", "empty", "nul"],
)
def test_hostile_files(tmp_path: Path, name: str, text: str, words: str) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    message = message_of(lambda: READERS[name](tmp_path))
    assert words in message or (name == "layout.json" and "layout.npz cannot be read" in message)
    assert len(message) < 600


@pytest.mark.parametrize("token", ["../a", "a/b", "a\\\\b", "a:b", "a\\nb", "é", ".", "a" * 65])
def test_a_token_is_a_part_of_a_name(tmp_path: Path, token: str) -> None:
    (tmp_path / "export.json").write_text(f'{{"schema": 1, "layout": "a", "token": "{token}"}}', encoding="utf-8")
    assert "is not of up to 64 letters and digits" in message_of(lambda: ExportJob.load(tmp_path))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ('{"time_limit": NaN}', "time_limit is nan, but a finite number"),
        ('{"time_limit": -Infinity}', "time_limit is -inf, but a finite number"),
        ('{"time_limit": 1e400}', "time_limit is inf, but a finite number"),
        (f'{{"time_limit": {10**400}}}', "time_limit is 1000"),
        (f'{{"seed": {10**400}}}', "seed is 1000"),
        (f'{{"seed": {10**20}}}', "seed is 100000000000000000000, but a finite number"),
        (f'{{"background": [0, 0, {10**400}]}}', "background is 1000"),
        (f'{{"losses": {{"{"n" * 5000}": {10**400}}}}}', "losses nnn"),
        ('{"recipe": "' + "n" * 5000 + '"}', "recipe is 'nnn"),
        ('{"recipe": [[[[1]]]]}', "recipe is [[[[1]]]]"),
        ('{"recipe": "\\ud800"}', "which no file can be called"),
    ],
)
def test_hostile_settings(tmp_path: Path, settings: str, words: str) -> None:
    text = f'{{"schema": 1, "target": "a.png", "templates": [{{"file": "b.png"}}], "settings": {settings}}}'
    (tmp_path / "job.json").write_text(text, encoding="utf-8")
    message = message_of(lambda: Job.load(tmp_path))
    assert words in message
    assert len(message) < 600


@pytest.mark.parametrize("path", ["a\0b.png", "half \ud800 letter.png"])
def test_paths_in_json_that_no_file_has(tmp_path: Path, path: str) -> None:
    data = {"schema": 1, "target": path, "templates": [{"file": "b.png"}]}
    (tmp_path / "job.json").write_text(json.dumps(data), encoding="utf-8")
    assert "which no file can be called" in message_of(lambda: Job.load(tmp_path))


def test_a_path_that_is_not_unicode_on_disk_is_one(tmp_path: Path) -> None:
    data = {"schema": 1, "target": "caf\udce9.png", "templates": [{"file": "b.png", "name": "caf\udce9"}]}
    (tmp_path / "job.json").write_text(json.dumps(data), encoding="utf-8")
    job = Job.load(tmp_path)
    assert job.target.endswith("caf\udce9.png")
    assert job.templates[0].name == "caf\\udce9"


def test_a_file_of_any_size_is_not_read(tmp_path: Path) -> None:
    with open(tmp_path / "job.json", "wb") as file:
        file.truncate(MOST_BYTES + 1)
    assert "is larger than 32 MB" in message_of(lambda: read_json(tmp_path / "job.json"))


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no named pipes in folders")
def test_a_pipe_is_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "job.json")
    assert "is no regular file" in message_of(lambda: Job.load(tmp_path))


@pytest.mark.parametrize(
    "line",
    [
        '{"event": "progress", "step": 1, "total": 0, "loss": 1, "psnr": 1, "seconds_left": 1}',
        '{"event": "progress", "step": -1, "total": 9, "loss": 1, "psnr": 1, "seconds_left": 1}',
        '{"event": "progress", "step": 1, "total": 9, "loss": NaN, "psnr": 1, "seconds_left": 1}',
        '{"event": "progress", "step": 1, "total": 9, "loss": 1, "psnr": 1, "seconds_left": 1e999}',
        '{"event": "exporting", "done": 1, "total": 9999999999}',
        '{"event": ["log"]}',
        '{"event": "' + "n" * 5000 + '"}',
        '{"event": "done", "out": "a\\u0000b"}',
        "[" * 100_000,
        "n" * (MOST_LINE + 1),
    ],
)
def test_hostile_events(line: str) -> None:
    assert len(message_of(lambda: decode_event(line))) < 300


@pytest.mark.parametrize("line", [b"\xff\xfe", b'{"command": 1}', b'{"command": "' + b"n" * 5000 + b'"}', b"null"])
def test_hostile_commands(line: bytes) -> None:
    assert len(message_of(lambda: Command.decode(line))) < 300


@pytest.mark.parametrize(
    ("chunks", "lines"),
    [
        ([], []),
        ([b"a\nb"], [b"a", b"b"]),
        ([b"a", b"b\n", b"\n \n", b"c\r\n"], [b"ab", b"c\r"]),
        ([b"n" * 60_000] * 100 + [b"\nnext\n"], [b"n" * (MOST_LINE + 1), b"next"]),
    ],
)
def test_lines_are_bounded(chunks: list[bytes], lines: list[bytes]) -> None:
    rest = iter(chunks)
    assert list(bounded_lines(lambda size: next(rest, b""))) == lines


def test_given_paths(tmp_path: Path) -> None:
    for text in ("", "x.png", str(tmp_path), str(tmp_path / "new" / "x.png"), str(tmp_path / "caf\udce9")):
        assert given_path(text) == Path(text)
    assert "which no file can be called" in message_of(lambda: given_path("a\0b"))
    message = message_of(lambda: given_path("n" * 5000))
    assert "There is no nnn" in message
    assert "n" * 80 not in message


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege on Windows")
def test_a_loop_of_links_is_no_path(tmp_path: Path) -> None:
    (tmp_path / "one").symlink_to(tmp_path / "two")
    (tmp_path / "two").symlink_to(tmp_path / "one")
    for path in (tmp_path / "one", tmp_path / "two" / "x.png"):
        assert f"There is no {path}, nor can there be" in message_of(partial(given_path, str(path)))


def test_a_long_name_of_a_region_is_cut_in_every_sentence() -> None:
    region = RegionSpec("n" * 1000 + "\n", "mask.png", stamps=[3])
    assert len(region.name) <= 80
    assert len(message_of(lambda: Job("target.png", [TemplateSpec("stamp.png")], regions=[region]))) < 160
