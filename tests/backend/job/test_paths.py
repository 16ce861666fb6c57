"""Files that jobs and layouts from anywhere name: none lies elsewhere, and none is a pipe, which would hang."""

from __future__ import annotations

import json
import os
import socket
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from backend.job import Clip, ExportJob, Job, Layout, TemplateSpec, UserError, inside
from tests.backend.job.test_job import make_layout

ELSEWHERE = [
    "/etc/passwd",
    "../secret.png",
    "templates/../../secret.png",
    r"..\secret.png",
    r"templates\..\..\secret.png",
    r"\\server\share\x.png",
    "//server/share/x.png",
    r"\secret.png",
    "C:x.png",
    r"C:\x.png",
    r"\\?\C:\x.png",
    "c:/x.png",
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "secret.png").write_bytes(b"secret")
    (tmp_path / "own").mkdir()
    return tmp_path / "own"


@pytest.mark.parametrize("name", [*ELSEWHERE, "a\0b.png", "x" * 5000])
def test_a_name_that_leads_elsewhere_is_refused(folder: Path, name: str) -> None:
    with pytest.raises(UserError) as caught:
        inside(folder, name)
    assert caught.value.message.startswith(f"{folder} names ")
    assert len(caught.value.message) < 300 + len(str(folder))


@pytest.mark.parametrize("name", ["a.png", "templates/a.png", "templates/../a.png", "not there/b.png", "a..b.png"])
def test_a_name_below_the_folder_is_followed(folder: Path, name: str) -> None:
    (folder / "templates").mkdir()
    (folder / "a.png").write_bytes(b"")
    assert inside(folder, name) == str(folder / name)
    assert inside(folder, "") == ""


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege there")
def test_links_are_followed_within_the_folder_only(folder: Path) -> None:
    (folder / "a.png").write_bytes(b"")
    for name, target in (("good", "a.png"), ("out", "../secret.png"), ("loop", "loop"), ("up", "..")):
        (folder / name).symlink_to(target)
    assert inside(folder, "good") == str(folder / "good")
    for name in ("out", "loop", "up/secret.png", "up/own/../secret.png"):
        with pytest.raises(UserError, match=r"is a link out of it|cannot be read"):
            inside(folder, name)
    (folder.parent / "linked").symlink_to(folder)
    assert inside(folder.parent / "linked", "a.png")


def make_pipe(path: Path) -> None:
    os.mkfifo(path)


def make_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as one:
        place = os.getcwd()
        try:
            os.chdir(path.parent)  # a socket's name is short
            one.bind(path.name)
        finally:
            os.chdir(place)


def link_to_a_device(path: Path) -> None:
    path.symlink_to("/dev/zero")


WEIRD = [make_pipe, make_socket, link_to_a_device]


@pytest.mark.skipif(sys.platform == "win32", reason="there are none in folders")
@pytest.mark.parametrize("make", WEIRD)
@pytest.mark.parametrize("name", ["layout.json", "layout.npz", "templates/a.png"])
def test_a_layout_of_pipes_and_devices_does_not_hang(tmp_path: Path, make: Callable[[Path], None], name: str) -> None:
    make_layout().save(tmp_path)
    (tmp_path / "templates").mkdir()
    (tmp_path / name).unlink(missing_ok=True)
    make(tmp_path / name)
    with pytest.raises(UserError, match=f"names '{name}', which is (no regular file|a link out of it)"):
        Layout.load(tmp_path)


@pytest.mark.skipif(sys.platform == "win32", reason="there are none in folders")
@pytest.mark.parametrize("make", WEIRD)
@pytest.mark.parametrize("name", ["job.json", "a.png", "mask.png", "frames/0002.png", "export.json", "start"])
def test_a_job_of_pipes_and_devices_does_not_hang(tmp_path: Path, make: Callable[[Path], None], name: str) -> None:
    (tmp_path / "frames").mkdir()
    job = Job("frames", [TemplateSpec("a.png")], mask="mask.png", start="start", clip=Clip())
    job.save(tmp_path)
    ExportJob("layout").save(tmp_path)
    (tmp_path / name).unlink(missing_ok=True)
    make(tmp_path / name)
    load = ExportJob.load if name == "export.json" else Job.load
    with pytest.raises(UserError, match=f"names '{name}', which is (no regular file|a link out of it)"):
        load(tmp_path)


def naming(key: str, name: str) -> dict[str, object]:
    """Returns a job.json that names a file."""
    changes: dict[str, dict[str, object]] = {
        "template": {"templates": [{"file": name}]},
        "region": {"regions": [{"name": "r", "mask": name}]},
    }
    job: dict[str, object] = {"schema": 1, "target": "t.png", "templates": [{"file": "a.png"}]}
    return job | changes.get(key, {key: name})


@pytest.mark.parametrize("key", ["target", "mask", "importance", "start", "template", "region"])
def test_a_job_names_files_elsewhere_only_on_request(folder: Path, key: str) -> None:
    for name in ELSEWHERE:
        (folder / "job.json").write_text(json.dumps(naming(key, name)))
        with pytest.raises(
            UserError, match=r"names .*, which .*: put the file into that folder, or fit with --outside"
        ):
            Job.load(folder)
    (folder / "job.json").write_text(json.dumps(naming(key, "../secret.png")))
    job = Job.load(folder, outside=True)
    named = {"template": job.templates[0].file, "region": job.regions[0].mask if job.regions else ""}
    assert named.get(key, getattr(job, key, "")) == str(folder / "../secret.png")


def test_an_export_names_a_layout_elsewhere_only_on_request(folder: Path) -> None:
    ExportJob(str(folder.parent)).save(folder)
    with pytest.raises(UserError, match=r"is an absolute path"):
        ExportJob.load(folder)
    assert ExportJob.load(folder, outside=True).layout == str(folder.parent)


@pytest.mark.parametrize("token", ["/../../x", "\\..\\x", "x.old", "a:b"])
def test_an_export_names_no_hidden_folder_elsewhere(folder: Path, token: str) -> None:
    job = ExportJob("layout", token="cat-k3kd93ja")
    job.save(folder)
    assert ExportJob.load(folder).token == job.token
    text = (folder / "export.json").read_text()
    (folder / "export.json").write_text(text.replace(json.dumps(job.token), json.dumps(token)))
    with pytest.raises(UserError, match=r"The token .* is not of up to 64 letters and digits"):
        ExportJob.load(folder)


@pytest.mark.parametrize("name", ELSEWHERE)
def test_a_layout_never_names_stamps_elsewhere(folder: Path, name: str) -> None:
    layout = make_layout()
    layout.templates[1].file = name
    layout.save(folder)
    with pytest.raises(UserError, match=r"names .*, which .*: put the file into that folder"):
        Layout.load(folder)


def test_only_a_recording_shows_the_stamps_of_its_result(tmp_path: Path) -> None:
    layout = make_layout()
    for spec in layout.templates:
        spec.file = f"../{spec.file}"
    for name in ("recording", "other"):
        layout.save(tmp_path / name)
        with pytest.raises(UserError, match=r"leads out of it"):
            Layout.load(tmp_path / name)
    make_layout().save(tmp_path)
    assert Layout.load(tmp_path / "recording").templates[0].file == str(tmp_path / "templates" / "a.png")
    layout.templates[0].file = "../templates/../../x.png"
    layout.save(tmp_path / "recording")
    with pytest.raises(UserError, match=r"leads out of it"):
        Layout.load(tmp_path / "recording")
    with pytest.raises(UserError, match=r"leads out of it"):
        Layout.load(tmp_path / "other")


def test_a_layout_that_was_read_is_written_with_relative_names(tmp_path: Path) -> None:
    make_layout().save(tmp_path)
    Layout.load(tmp_path).save(tmp_path)
    files = [spec["file"] for spec in json.loads((tmp_path / "layout.json").read_text())["templates"]]
    assert files == ["templates/a.png", "templates/b.png"]
