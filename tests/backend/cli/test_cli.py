"""The command line: every error is one sentence, and the commands do what they say."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest
from PIL import Image

from backend.__main__ import UNEXPECTED, main
from backend.job import UserError
from backend.job.job import Job
from backend.layouts.result_folder import load_result
from backend.pictures.images import load_rgba

ROOT = Path(__file__).parents[3]
QUICK = ("--count", "20", "--size", "32", "--iterations", "4", "--threads", "1")


def complaint(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """What a command line that must fail says: one line on stderr, nothing on stdout."""
    assert main([str(argument) for argument in arguments]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    # What was logged before the error came up is fine, a traceback is not.
    assert "Traceback" not in captured.err
    return captured.err.strip().splitlines()[-1]


@pytest.fixture
def result(job: Job, stamp: Path, target: Path, tmp_path: Path) -> Path:
    out = tmp_path / "result"
    assert main(["fit", str(target), "--templates", str(stamp), "--out", str(out), *QUICK]) == 0
    return out


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--count", "0"), "count is 0, but must be from 1"),
        (("--count", "many"), "argument --count: invalid int value: 'many'"),
        (("--size", "-4"), "size is -4"),
        (("--size", "9000"), "size is 9000, but must be from 1 to 8192"),
        (("--iterations", "0"), "iterations is 0"),
        (("--count", "1" + "0" * 400), "count is 1000000"),
        (("--count", "9" * 5000), "argument --count: invalid int value: '999"),
        (("--seed", "9" * 20), "seed is 99999999999999999999, but must be from 0"),
        (("--time-limit", "1e400"), "time_limit is inf, but a finite number is needed"),
        (("--time-limit", "nan"), "time_limit is nan, but a finite number is needed"),
        (("--frames", "1-" + "9" * 5000), "is not a range of frames"),
        (("--mode", "m" * 5000), "argument --mode: invalid choice: 'mmm"),
        (("--" + "h" * 5000, "red"), "unrecognized arguments: --hhh"),
        (("--palette", "g" * 5000), "' is not a color"),
        (("--mask", "a\0b"), "which no file can be called"),
        (("--hue", "red"), "unrecognized arguments: --hue red"),
        (("--engine", "abacus"), "argument --engine: engine is 'abacus'"),
        (("--blend", "2", "--mode", "mix"), "blend is 2"),
        (("--background", "green"), "'green' is not a color"),
        (("--background", "-1+1+1"), "argument --background"),
        (("--start", "n" * 300), "There is no nnn"),
        (("--mask", "nowhere.png"), "There is no nowhere.png"),
        (("--start", "nowhere"), "There is no nowhere"),
    ],
)
def test_wrong_settings(
    stamp: Path, target: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], options: tuple[str, ...], words: str
) -> None:
    out = tmp_path / "out"
    message = complaint(capsys, "fit", target, "--templates", stamp, "--out", out, *options)
    assert words in message
    assert len(message) < 500
    assert not out.exists()


def test_wrong_pictures(stamp: Path, target: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    (tmp_path / "text.png").write_text("hello")
    (tmp_path / "empty").mkdir()
    Image.new("RGBA", (5, 5), (255, 255, 255, 0)).save(tmp_path / "clear.png")
    (tmp_path / "no_pixels.png").write_bytes(b"")
    for picture, stamps, words in (
        (tmp_path / "missing.png", [stamp], "There is no "),
        (tmp_path / "text.png", [stamp], "text.png cannot be read as a picture"),
        (target, [], "expected at least one argument"),
        (target, [tmp_path / "missing.png"], "There is no "),
        (target, [tmp_path / "empty"], "holds no pictures"),
        (target, [stamp, tmp_path / "text.png"], "text.png cannot be read as a picture"),
        (target, [tmp_path / "no_pixels.png"], "no_pixels.png cannot be read as a picture"),
        (target, [stamp, tmp_path / "clear.png"], "clear.png is fully transparent"),
    ):
        assert words in complaint(capsys, "fit", picture, "--out", out, "--templates", *stamps)
        assert not out.exists()
    assert "There is no stamp" in complaint(capsys, "fit", target, "--out", out)


def test_wrong_places(stamp: Path, target: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("keep me")
    for out in (tmp_path / "file", tmp_path / "file" / "out", tmp_path):
        message = complaint(capsys, "fit", target, "--templates", stamp, "--out", out, *QUICK)
        assert str(tmp_path) in message
        assert "choose" in message
    assert (tmp_path / "file").read_text() == "keep me"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "leaf.png", "target.png"]


def test_wrong_jobs(tmp_path: Path, stamp: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "There is no stamp" in complaint(capsys, "fit", tmp_path, "--out", tmp_path / "out")
    (tmp_path / "job.json").write_text('{"schema": 1, "target": "a.png", "templates": [{"file": "b.png"}], "cuont": 3}')
    assert "unknown key 'cuont'" in complaint(capsys, "fit", tmp_path, "--out", tmp_path / "out")
    message = complaint(capsys, "fit", tmp_path, "--out", tmp_path / "out", "--templates", stamp)
    assert "--templates is for a target that is a picture" in message


def test_wrong_layouts(result: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    big = tmp_path / "big.png"
    assert "layout.json cannot be read" in complaint(capsys, "render", tmp_path, "--out", big)
    assert "--width is -1" in complaint(capsys, "render", result, "--out", big, "--width", "-1")
    assert "--supersample is 99" in complaint(capsys, "render", result, "--out", big, "--supersample", "99")
    assert "is not a .png" in complaint(capsys, "render", result, "--out", tmp_path / "big.gif")
    assert "no known ending" in complaint(capsys, "export", result, "--out", tmp_path / "x.doc")
    for command, option in (("render", "--frame"), ("export", "--frames")):
        assert len(complaint(capsys, command, result, "--out", big, option, "1" + "0" * 400)) < 300
    (result / "layout.npz").write_bytes(b"PK\x03\x04 but not much more")
    assert "layout.npz cannot be read" in complaint(capsys, "render", result, "--out", big)
    assert not big.exists()


def test_a_result_is_no_target(result: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    message = complaint(capsys, "fit", result, "--out", tmp_path / "out")
    assert message == (f"{result} is a result, and not a target: name a picture, and continue with --start {result}")


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege on Windows")
def test_no_path_leads_nowhere(result: Path, target: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Loops of links, names that are too long, and what no name can hold, wherever a path is given."""
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    new = tmp_path / "new"
    for bad in (tmp_path / "loop", tmp_path / "loop" / "x.png", tmp_path / ("n" * 300 + ".png"), "a\0b.png"):
        for arguments in (
            ("fit", bad, "--templates", target, "--out", new),
            ("fit", target, "--templates", bad, "--out", new),
            ("fit", target, "--templates", target, "--out", bad),
            ("fit", target, "--region", target, bad, "--out", new),
            ("render", bad, "--out", new),
            ("render", result, "--out", bad),
            ("export", bad, "--out", new),
            ("export", result, "--out", bad),
            ("animate", "transition", result, bad, "--out", new),
            ("animate", "growth", result, "--out", bad),
            ("merge", result, bad, "--out", new),
            ("merge", result, result, "--out", bad),
            ("bench", "--quality", bad),
            ("bench", "--results", bad),
            ("--folder", bad, "doctor"),
        ):
            message = complaint(capsys, *arguments)
            assert "nor can there be" in message or "which no file can be called" in message
    assert not new.exists()


def test_an_error_that_nobody_foresaw_is_a_sentence(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    def run(arguments: list[str] | None) -> int:
        raise KeyError("a line\nand \udcff another")

    monkeypatch.setattr("backend.cli.run", run)
    assert main(["doctor"]) == UNEXPECTED
    [log] = tmp_path.glob("*.log")
    message = capsys.readouterr().err
    assert message.startswith("DiffBMP met an error that it does not know (KeyError: 'a line")
    assert message.endswith(f"): report it with its log {log}\n")
    assert message.count("\n") == 1
    assert "Traceback" in log.read_text(encoding="utf-8")


@pytest.mark.parametrize("error", [MemoryError, KeyboardInterrupt, SystemExit])
def test_other_ends_of_a_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: type[BaseException]
) -> None:
    monkeypatch.setattr("backend.cli.run", Mock(side_effect=error))
    if error is MemoryError:
        assert "There is too little memory" in complaint(capsys, "doctor")
    else:
        with pytest.raises(error):
            main(["doctor"])


def test_no_command_and_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert "COMMAND" in complaint(capsys)
    assert "invalid choice: 'paint'" in complaint(capsys, "paint")
    with pytest.raises(SystemExit) as caught:
        main(["fit", "--help"])
    assert caught.value.code == 0
    assert "--iterations" in capsys.readouterr().out


@pytest.mark.timeout(60)
@pytest.mark.parametrize("arguments", [["--help"], ["fit", "x.png", "--out", "o", "--templates", "y", "--count", "0"]])
def test_arguments_are_judged_before_torch_is_loaded(arguments: list[str], tmp_path: Path) -> None:
    code = """if True:
        import sys
        from backend.__main__ import UNEXPECTED, main
        try:
            main(sys.argv[1:])
        except SystemExit:
            pass
        assert not {"torch", "PIL"} & set(sys.modules)
    """
    command = [sys.executable, "-B", "-c", code, *arguments]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=50)


def test_a_missing_package_is_named(tmp_path: Path) -> None:
    """As with Blender 5.2's Python, which has no torch."""
    (tmp_path / "torch.py").write_text("raise ModuleNotFoundError(\"No module named 'torch'\", name='torch')")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-m", "backend", "doctor"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=50, check=False)
    assert done.returncode == 2
    assert f"This needs PyTorch: press Install in the add-on's preferences, or install it for {sys.executable}" in (
        done.stderr
    )
    assert "Traceback" not in done.stderr


def test_fit_of_a_folder_of_stamps_with_options(stamp: Path, target: Path, tmp_path: Path) -> None:
    stamps = tmp_path / "stamps"
    stamps.mkdir()
    for name in ("b.PNG", "a.png"):
        (stamps / name).write_bytes(stamp.read_bytes())
    (stamps / "notes.txt").write_text("no stamp")
    Image.fromarray(np.full((4, 4), 255, np.uint8)).save(tmp_path / "mask.png")
    arguments = ["fit", target, "--templates", stamps, stamp, "--out", tmp_path / "out", *QUICK, "--seed", 5]
    arguments += ["--mode", "multiply", "--blend", 0.5, "--space", "linear", "--background", "#336699"]
    arguments += ["--mask", tmp_path / "mask.png", "--engine", "cpu", "--recipe", "default"]
    assert main([str(argument) for argument in arguments]) == 0
    layout, _ = load_result(tmp_path / "out")
    assert [spec.name for spec in layout.templates] == ["a", "b", "leaf"]
    assert {(spec.mode, spec.blend) for spec in layout.templates} == {("multiply", 0.5)}
    assert layout.space == "linear"
    assert layout.background == (0.2, 0.4, 0.6)
    assert layout.count == 20


def test_fit_of_a_job_folder_with_settings_changed(job: Job, tmp_path: Path) -> None:
    folder = tmp_path / "job"
    job.save(folder)
    assert main(["fit", str(folder), "--outside", "--out", str(tmp_path / "out"), "--iterations", "3"]) == 0
    assert json.loads((tmp_path / "out" / "metrics.json").read_text())["iterations"] == 3
    assert load_result(tmp_path / "out")[0].count == 40


def test_render_at_other_sizes(result: Path, tmp_path: Path) -> None:
    out = tmp_path / "picture.png"
    for options, shape in (
        ((), (24, 32, 3)),
        (("--width", "128"), (96, 128, 3)),
        (("--width", "0"), (24, 32, 3)),
        (("--transparent", "--supersample", "2"), (24, 32, 4)),
    ):
        assert main(["render", str(result), "--out", str(out), *options]) == 0
        with Image.open(out) as image:
            assert np.asarray(image).shape == shape
    assert main(["render", str(result), "--out", str(out)]) == 0
    assert (load_rgba(out) == load_rgba(result / "render.png")).all()


def test_export(result: Path, tmp_path: Path) -> None:
    for name in ("x.png", "x.json"):
        assert main(["export", str(result), "--out", str(tmp_path / name)]) == 0
        assert (tmp_path / name).stat().st_size > 100


def test_doctor_says_how_far_the_engines_are_from_the_reference(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--json"]) == 0
    findings = json.loads(capsys.readouterr().out)
    engines = {engine["name"].split(":")[0]: engine for engine in findings["engines"]}
    assert set(engines) == {"cuda", "cpu", "reference"}
    for name, engine in engines.items():
        if name == "cuda" and not engine["works"]:
            assert engine["cause"]
            continue
        assert engine["works"]
        assert 0 < engine["image_error"] < 1e-5
        assert 0 < engine["gradient_error"] < 1e-4
        assert len(engine["gradient_errors"]) == 9
    assert main(["doctor"]) == 0
    assert re.search(r"cpu +works: .* CPU threads", capsys.readouterr().out)


def test_bench_measures_speed_or_quality(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("backend.engines.cuda.gpu.find_gpu", Mock(side_effect=UserError("There is no card")))
    for kind, options in (("speed", []), ("quality", ["--quality", str(tmp_path)])):
        monkeypatch.setattr(f"backend.bench.{kind}.run", lambda *folder, **chosen: [str(path) for path in folder])
        monkeypatch.setattr(f"backend.bench.{kind}.explain", lambda numbers: f"table of {len(numbers)}")
        assert main(["bench", "--json", *options]) == 0
        assert json.loads(capsys.readouterr().out)[kind] == options[1:]
        assert main(["bench", *options]) == 0
        assert capsys.readouterr().out.startswith(f"table of {len(options[1:])}\n")
    assert main(["bench", "--seeds", "3"]) == 2
    assert "--quality" in capsys.readouterr().err


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_fit_with_the_best_layout(
    stamp: Path, target: Path, tmp_path: Path, number: signal.Signals
) -> None:
    out = tmp_path / "out"
    command = [sys.executable, "-B", "-m", "backend", "fit", str(target), "--templates", str(stamp), "--out", str(out)]
    # stdin stays open and unread: the command line must not wait for it.
    with subprocess.Popen(
        [*command, *QUICK, "--iterations", "1000000"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        deadline = time.monotonic() + 60
        while not (out / "layout.json").exists():
            assert time.monotonic() < deadline
            assert process.poll() is None
            time.sleep(0.05)
        process.send_signal(number)
        _, log = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "cancelled: the best so far" in log.splitlines()[-1]
    assert load_result(out)[0].count == 20
    assert (out / "render.png").exists()
