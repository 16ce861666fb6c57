"""The command line's options follow from the settings."""

from __future__ import annotations

import argparse
import re
from typing import Any

import pytest

from backend.cli import _Parser, _parser
from backend.cli.options import add_settings, given
from backend.job import Animation, Clip, ExportSettings, Limits, Settings, option_of, settings_of


def command(name: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = _parser()
    for part in name.split():
        (commands,) = (action for action in parser._actions if isinstance(action, argparse._SubParsersAction))
        parser = commands.choices[part]
        assert isinstance(parser, _Parser)
        parser.complete()
    return parser


@pytest.mark.parametrize(
    ("name", "kinds"),
    [("fit", (Settings, Limits, Clip)), ("export", (ExportSettings,)), ("animate growth", (Animation,))],
)
def test_every_setting_has_its_option_and_its_help(name: str, kinds: tuple[type[Any], ...]) -> None:
    text = re.sub(r"\s+", " ", command(name).format_help())
    for kind in kinds:
        for field_name, one in settings_of(kind).items():
            option = option_of(field_name, one)
            assert option is None or re.search(f" {option}[ ,]", text), field_name
            if option not in (None, "--shares") and (kind is Animation or option != "--frames"):
                assert re.sub(r"\s+", " ", one.help) in text.replace("- ", "-"), field_name


@pytest.mark.parametrize("kind", ["transition", "recording"])
def test_only_a_growth_has_an_order(kind: str) -> None:
    text = command(f"animate {kind}").format_help()
    assert "--frames" in text
    assert "--order" not in text
    assert "--overlap" not in text


def test_only_what_is_given_is_said() -> None:
    parser = argparse.ArgumentParser()
    add_settings(parser, ExportSettings, without=("frames",))
    assert given(parser.parse_args([]), ExportSettings) == {}
    args = parser.parse_args(["--no-background", "--groups", "none", "--bits", "16", "--fps", "12.5", "--width", "9"])
    assert given(args, ExportSettings) == {
        "width": 9,
        "grouping": "none",
        "background": False,
        "bits": 16,
        "fps": 12.5,
    }
