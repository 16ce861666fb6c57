"""Help with errors, the command line, and what registering leaves behind."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import bpy
import pytest
from diffbmp.backend.job import Action, Error, UserError, decode_event
from diffbmp.operators import command
from diffbmp.operators.fit import troubleshoot
from diffbmp.operators.session import logs
from diffbmp.operators.session.notice import NOTICE
from diffbmp.panels import layouts

from tests.addon.support.layouts import random_layout, write_layout

ROOT = Path(__file__).resolve().parents[3]


def test_the_button_of_an_error_changes_its_setting() -> None:
    settings = bpy.context.scene.diffbmp
    NOTICE.fail(UserError("There is too little memory", "halve_size"))
    assert (NOTICE.is_error, NOTICE.action) == (True, "halve_size")
    settings.fit.size = 700
    assert bpy.ops.diffbmp.mend(action="halve_size") == {"FINISHED"}
    assert settings.fit.size == 350
    assert not NOTICE.is_error
    assert bpy.ops.diffbmp.mend(action="use_cpu") == {"FINISHED"}
    assert settings.backend.engine == "cpu"


class Row:
    """A stand-in for a layout that keeps the buttons of the notice: each an operator's name and settings."""

    def __init__(self) -> None:
        self.buttons: list[tuple[str, SimpleNamespace]] = []

    def row(self, **_: object) -> Row:
        return self

    def operator(self, name: str, text: str = "", icon: str = "") -> SimpleNamespace:
        assert icon in bpy.types.UILayout.bl_rna.functions["operator"].parameters["icon"].enum_items
        self.buttons.append((name, SimpleNamespace(text=text)))
        return self.buttons[-1][1]


@pytest.fixture
def row(monkeypatch: pytest.MonkeyPatch) -> Iterator[Row]:
    monkeypatch.setattr(layouts, "draw_sentence", lambda *_: None)  # the interface has no scale without a window
    yield Row()
    NOTICE.tell("")


@pytest.mark.parametrize("action", Action)
def test_every_action_has_a_button_and_is_documented(row: Row, action: Action) -> None:
    NOTICE.fail(UserError("Something is wrong", action))
    layouts.draw_notice(row, 300)
    name, properties = row.buttons[0]
    assert f"*{properties.text}*" in (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
    if name == "diffbmp.mend":
        assert bpy.ops.diffbmp.mend(action=properties.action) == {"FINISHED"}
    assert [name for name, _ in row.buttons].count("diffbmp.show_log") == 1
    assert row.buttons[-1][0] == "diffbmp.copy_report"


def test_an_unknown_action_is_harmless(row: Row) -> None:
    error = decode_event('{"event": "error", "message": "Something is wrong", "action": "of_the_future"}')
    assert isinstance(error, Error)
    NOTICE.fail(UserError(error.message, error.action))
    layouts.draw_notice(row, 300)
    assert [name for name, _ in row.buttons] == ["diffbmp.show_log", "diffbmp.copy_report"]


def test_the_report_names_versions_and_settings_but_no_people(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "user_folder", lambda name: tmp_path)
    (tmp_path / "worker-1.log").write_text(
        f"old\n{Path.home()}/secret/file\n{tmp_path}/Jane (Doe): ClientX; v1.png is damaged\n"
        "no mirror.clientx.example\nSegmentation fault\n"
    )
    image = bpy.data.images.new("ClientX", 1, 1)
    image.filepath = str(tmp_path / "Jane (Doe): ClientX; v1.png")
    chosen = bpy.context.preferences.addons["diffbmp"].preferences
    chosen.index = "https://token@mirror.clientx.example/simple"
    settings = bpy.context.scene.diffbmp
    settings.fit.count, settings.build.layout = 321, f"{Path.home()}/my own name"
    NOTICE.fail(UserError("The backend ended unexpectedly", "show_log"))
    report = troubleshoot.report_of(bpy.context.scene)
    for part in ("DiffBMP 0.", bpy.app.version_string, "fit.count = 321", "build.layout = set", "Segmentation fault"):
        assert part in report
    assert "Error: The backend ended unexpectedly" in report
    assert "fit.size" not in report
    assert str(Path.home()) not in report
    assert "\n<path>\n<path>.png is damaged\nno <name>\nSegmentation fault" in report
    assert not [name for name in ("ClientX", "clientx", "Jane", "secret", "token", str(tmp_path)) if name in report]
    assert bpy.ops.diffbmp.copy_report() == {"FINISHED"}
    assert bpy.ops.diffbmp.show_log() == {"FINISHED"}
    assert "Segmentation fault" in bpy.data.texts["DiffBMP Log"].as_string()
    NOTICE.tell("")


def test_the_command_line_calls_the_backend(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert command.execute(["render", str(tmp_path / "nothing"), "--out", "x.png"]) == 2
    assert "layout.json cannot be read" in capfd.readouterr().err
    assert command.execute(["--help"]) == 0
    assert "fit" in capfd.readouterr().out


def test_the_command_line_builds(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    write_layout(tmp_path / "layout", *random_layout(5))
    folder = str(tmp_path / "layout")
    assert command.execute(["build", folder]) == 2
    assert "The build would leave nothing" in capfd.readouterr().err
    assert command.execute(["build", folder, "--form", "cubes"]) == 2
    out = [str(tmp_path / "out.blend"), "--render", str(tmp_path / "out.png")]
    assert command.execute(["build", folder, "--save", *out, "--samples", "1", "--depth", "0.5"]) == 0
    assert (tmp_path / "out.png").is_file()
    bpy.ops.wm.open_mainfile(filepath=out[0])
    assert [len(scene.collection.all_objects) for scene in bpy.data.scenes] == [6]


def test_every_setting_says_what_it_does() -> None:
    found = 0
    for group in bpy.types.PropertyGroup.__subclasses__():
        if not group.__name__.startswith("DIFFBMP_PG"):
            continue
        for name, kind in group.bl_rna.properties.items():
            if name in ("rna_type", "name") or kind.type in ("COLLECTION",) or kind.is_hidden:
                continue
            if kind.type == "POINTER" and not kind.description:
                continue
            found += 1
            assert not kind.description.endswith("."), (group, name)
    assert found > 90


CLEAN = """
import bpy, sys
from tests.addon.conftest import ADD_ON
bpy.ops.wm.read_factory_settings(use_empty=True)
def state():
    handlers = {name: len(value) for name in dir(bpy.app.handlers)
                if isinstance(value := getattr(bpy.app.handlers, name), list)}
    return dir(bpy.types.Scene), dir(bpy.types), dir(bpy.ops.diffbmp), handlers
before, slow = state(), []
sys.addaudithook(lambda event, _: slow.append(event) if event in ("subprocess.Popen", "socket.connect") else None)
ADD_ON.register()
ADD_ON.unregister()
ADD_ON.register()
ADD_ON.unregister()
assert state() == before, [set(a) ^ set(b) for a, b in zip(state()[:3], before[:3])]
assert not slow and not {"torch", "PIL", "psd_tools"}.intersection(sys.modules)
"""


def test_registering_twice_leaves_nothing_and_does_nothing_slow() -> None:
    """Registering starts no process, uses no network and imports nothing large; numpy is Blender's own."""
    answer = subprocess.run(
        [sys.executable, "-c", CLEAN], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert answer.returncode == 0, answer.stderr


def test_the_reference_of_the_settings_is_current() -> None:
    if bpy.app.version[:2] != (5, 0):
        pytest.skip("it is written with Blender 5.0")
    command = [sys.executable, "-m", "docs.settings", "--check"]
    assert subprocess.run(command, cwd=ROOT, timeout=60, check=False).returncode == 0, "run python -m docs.settings"
