"""Clips that are too large are refused before they are made."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from backend.job import Animation, Layout, UserError
from backend.layouts import budget
from backend.layouts.animate import growth, retimed, transition
from backend.layouts.merge import merged
from backend.templates import Templates

from ..support.layers import make_layout


def joined(layout: Layout, templates: Templates) -> Layout:
    first = replace(layout.only([0] * 50), frames=list(range(1, 51)))
    return merged([first, replace(first, frames=list(range(50, 100)))], ["a", "b"])


def grown(layout: Layout, templates: Templates) -> Layout:
    return growth(layout, Animation(frames=90, hold=9))


def changed(layout: Layout, templates: Templates) -> Layout:
    return transition([layout, layout], templates, Animation(frames=90, hold=5))


def stretched(layout: Layout, templates: Templates) -> Layout:
    return retimed(layout, Animation(frames=99, hold=0))


@pytest.mark.parametrize("make", [joined, grown, changed, stretched])
def test_a_clip_of_too_many_states_is_refused(
    monkeypatch: pytest.MonkeyPatch, make: Callable[[Layout, Templates], Layout]
) -> None:
    layout, templates = make_layout(count=10)
    monkeypatch.setattr(budget, "MAX_STATES", 990)
    assert make(layout, templates).x.shape == (99, 10)
    monkeypatch.setattr(budget, "MAX_STATES", 989)
    with pytest.raises(UserError, match="A clip of 99 frames with 10 stamps is too large: make 98 frames at most"):
        make(layout, templates)


def test_the_longest_clips_are_refused_at_once() -> None:
    layout, templates = make_layout(count=2000)
    longest = Animation(frames=100_000, hold=100_000)
    with pytest.raises(UserError, match="frames with 2,000 stamps is too large"):
        growth(layout, longest)
    with pytest.raises(UserError, match="frames with 2,000 stamps is too large"):
        transition([layout] * 90, templates, longest)
