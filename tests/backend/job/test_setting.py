"""Settings are stated once: what is stated is complete, and is what is checked."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import pytest

from backend.job import (
    Animation,
    Clip,
    ExportSettings,
    Limits,
    Settings,
    TemplateSpec,
    UserError,
    check,
    setting,
    settings_of,
    type_hints,
)
from backend.job.settings import REGION_SETTINGS

KINDS = (Settings, Clip, Limits, Animation, ExportSettings)


@dataclass
class Example:
    count: int = setting(3, "Count", "Set a number", within=(1, 5))
    rate: float = setting(0.0, "Rate", "Set a rate", within=(0.5, 2.0), zero="its own")
    pair: tuple[float, float] = setting((0.0, 1.0), "Pair", "Limit it", within=(0.0, 1.0))
    colors: list[tuple[float, float, float]] = setting([], "Colors", "Use only these", within=(0.0, 1.0))  # noqa: RUF009
    kind: str = setting("a", "Kind", "Choose one", choices={"a": ("A", ""), "b": ("B", "")}, pattern="c[0-9]")
    weights: dict[str, float] = setting({}, "Part", "Weigh the parts", within=(0.1, 9.0), zero="none")  # noqa: RUF009
    free: bool | None = setting(None, "Free", "Let it be")


@pytest.mark.parametrize("kind", KINDS)
def test_every_setting_says_what_it_is(kind: type[Any]) -> None:
    assert settings_of(kind).keys() == {f.name for f in fields(kind)}
    for name, one in settings_of(kind).items():
        assert one.label, name
        assert one.help[0].isupper(), name
        assert not one.text.endswith("."), name
        assert (one.within[0] > float("-inf")) == (type_hints(kind)[name] in (int, float) and not one.choices) or (
            name in ("size_range", "rotation_range", "opacity_range", "background", "palette", "losses")
        ), name
        for label, text in one.choices.values():
            assert label, name
            assert text, name


@pytest.mark.parametrize("kind", [*KINDS, Example])
def test_every_default_is_allowed(kind: type[Any]) -> None:
    check(kind())
    for name, one in settings_of(kind).items():
        assert getattr(kind(), name) == one.default


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"count": 6}, "count is 6, but must be from 1 to 5"),
        ({"rate": 0.1}, "rate is 0.1, but must be from 0.5 to 2, or 0"),
        ({"rate": float("nan")}, "rate is nan"),
        ({"pair": (0.5, 0.25)}, "pair is (0.5, 0.25), but a lower and an upper limit are needed"),
        ({"pair": (0.5, 2.0)}, "pair is 2"),
        ({"colors": [(0.0, 1.0)]}, "colors is (0.0, 1.0), but 3 numbers are needed"),
        ({"colors": [(0.0, 1.0, 2.0)]}, "colors is 2"),
        ({"kind": "d"}, "kind is 'd', but must be one of a, b"),
        ({"weights": {"x": 0.01}}, "The weight of the part x is 0.01"),
    ],
)
def test_what_is_not_allowed_is_named(values: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError) as caught:
        check(Example(**values))
    assert caught.value.message.startswith(words)


def test_what_is_stated_beside_the_range_is_allowed() -> None:
    check(Example(rate=0.0, kind="c7", weights={"x": 0.0}, colors=[(0.0, 0.5, 1.0)], free=True))
    assert settings_of(Example)["rate"].text == "Set a rate; 0 = its own"


def test_each_instance_has_lists_of_its_own() -> None:
    Example().colors.append((0.0, 0.0, 0.0))
    assert Example().colors == []


def test_a_stamps_settings_are_checked() -> None:
    assert settings_of(TemplateSpec).keys() == {"mode", "blend"}
    with pytest.raises(UserError, match="blend is 2"):
        TemplateSpec("a.png", blend=2.0)


def test_a_region_may_have_what_changes_the_look_and_the_usage() -> None:
    expected = {"losses", "palette", "palette_size", "usage", "spacing", "order", "containment"}
    assert set(REGION_SETTINGS) == expected


@pytest.mark.parametrize(("fps", "allowed"), [(0.0, True), (0.05, False), (0.1, True), (240.0, True), (241.0, False)])
def test_the_rate_of_an_export(fps: float, allowed: bool) -> None:
    if allowed:
        ExportSettings(fps=fps)
    else:
        with pytest.raises(UserError, match="fps is"):
            ExportSettings(fps=fps)
