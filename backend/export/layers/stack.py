"""The layers of an export: their names, their groups, and which of them are merged."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..base import Export
from .grouping import grouped
from .sheets import FrameSheets, Item, Layer
from .visibility import visible_areas

MAX_NAME = 255
"""Longest name of a layer, in UTF-16 characters: Photoshop cuts off more."""


@dataclass(frozen=True)
class Group:
    """Layers and groups, front first."""

    name: str
    children: list[Group | Item]
    visible: bool = True


Node = Group | Item


class Stack:
    """The layers of an export, in groups, rendered on demand."""

    def __init__(self, task: Export) -> None:
        self._task = task
        self._sheets: tuple[int, FrameSheets] | None = None
        self.nodes = self._all(task.settings.grouping)
        if task.settings.flatten and self.size > task.settings.most_layers:
            self.nodes = self._flattened(task.settings.most_layers)
            if self.size > task.settings.most_layers:
                task.remarks.append(f"There are {self.size:,} layers and groups: no fewer are possible")

    @property
    def size(self) -> int:
        """The number of layers and groups."""
        return sum(1 for _ in walked(self.nodes))

    @property
    def items(self) -> list[Item]:
        """All layers, front first."""
        return [node for node in walked(self.nodes) if isinstance(node, Item)]

    def render(self, items: list[Item]) -> Iterator[Layer]:
        """Renders layers in the order of the items; tells how many are done."""
        begin = done = 0
        while begin < len(items):
            frame = items[begin].frame
            end = next((i for i in range(begin, len(items)) if items[i].frame != frame), len(items))
            for layer in self._frame_sheets(frame).render(items[begin:end]):
                self._task.tell(done, len(items))
                yield layer
                done += 1
            begin = end

    def _all(self, grouping: str) -> list[Node]:
        """Returns the layers of all frames, front first."""
        frames = self._task.layout.frames
        if len(frames) == 1:
            return self._frame(0, grouping)
        digits = len(str(frames[-1]))
        return [
            Group(f"Frame {number:0{digits}d}", self._frame(index, grouping), visible=index == 0)
            for index, number in enumerate(frames)
        ]

    def _frame_sheets(self, frame: int) -> FrameSheets:
        if self._sheets is None or self._sheets[0] != frame:
            self._sheets = frame, FrameSheets(self._task, frame)
        return self._sheets[1]

    def _frame(self, frame: int, grouping: str) -> list[Node]:
        """Returns the layers of a frame in their groups, front first."""
        layout, settings = self._task.layout, self._task.settings
        order = layout.order(frame)
        digits = max(3, len(str(layout.count)))
        items = [
            Item(shortened(layout.templates[layout.template[index]].name, f" {index + 1:0{digits}d}"), (index,), frame)
            for index in order.tolist()
        ]
        if grouping == "none":
            return list(items)
        if grouping == "depth":
            groups = [
                list(range(at, min(at + settings.band, len(items)))) for at in range(0, len(items), settings.band)
            ]
            names = ["Depth"] * len(groups)
        else:
            kinds = (layout.template if grouping == "stamp" else layout.region)[order]
            groups = grouped(kinds, self._frame_sheets(frame).boxes[order])
            names = [self._kind_name(int(kinds[group[0]])) for group in groups]
        numbered = _numbered(names)
        return [Group(name, [items[i] for i in group]) for name, group in zip(numbered, groups, strict=True)]

    def _kind_name(self, kind: int) -> str:
        if self._task.settings.grouping == "stamp":
            return shortened(self._task.layout.templates[kind].name, "")
        return f"Region {kind + 1}"

    def _flattened(self, most: int) -> list[Node]:
        """Merges the least visible layers with neighbors in their group, as few as leave at most `most` nodes.

        Without groups where these alone are too many.
        """
        groups = sum(1 for node in walked(self.nodes) if isinstance(node, Group))
        if 2 * groups > most:
            self.nodes = self._all(grouping="none")
        areas = [visible_areas(self._task, frame) for frame in range(len(self._task.layout.frames))]
        seen = np.array([areas[item.frame][item.primitives[0]] for item in self.items])
        ranked = np.argsort(-seen, kind="stable")
        low, high = 0, len(ranked)  # how many stay by themselves
        while low < high:
            middle = (low + high + 1) // 2
            fits = sum(1 for _ in walked(_merged(self.nodes, _first(ranked, middle)))) <= most
            low, high = (middle, high) if fits else (low, middle - 1)
        return _merged(self.nodes, _first(ranked, low))


def walked(nodes: list[Node]) -> Iterator[Node]:
    """Yields all groups and items, each group before its children."""
    for node in nodes:
        yield node
        if isinstance(node, Group):
            yield from walked(node.children)


def shortened(name: str, suffix: str) -> str:
    """Returns a layer's name on one line, cut in front of the suffix where it is too long."""
    # Enough for MAX_NAME; half of a pair of characters and what XML forbids is not printable.
    clean = " ".join("".join(c if c.isprintable() else " " for c in name[: 4 * MAX_NAME]).split()) or "stamp"
    room = MAX_NAME - len(suffix)
    while len(clean.encode("utf-16-le")) // 2 > room:
        clean = clean[:-1]
    return clean + suffix


def _numbered(names: list[str]) -> list[str]:
    """Adds a number to the names that occur more than once."""
    counts: dict[str, int] = {}
    result = []
    for name in names:
        counts[name] = counts.get(name, 0) + 1
        result.append(name if names.count(name) == 1 else shortened(name, f" {counts[name]}"))
    return result


def _first(ranked: NDArray[np.int64], count: int) -> NDArray[np.bool_]:
    kept = np.zeros(len(ranked), bool)
    kept[ranked[:count]] = True
    return kept


def _merged(nodes: list[Node], kept: NDArray[np.bool_]) -> list[Node]:
    """Merges runs of layers that are not kept. kept: a flag per item, in the order of walked()."""
    position = 0

    def merge(children: list[Node]) -> list[Node]:
        nonlocal position
        result: list[Node] = []
        run: list[Item] = []
        for child in children:
            if isinstance(child, Group):
                _close(run, result)
                result.append(replace(child, children=merge(child.children)))
                continue
            if kept[position]:
                _close(run, result)
                result.append(child)
            else:
                run.append(child)
            position += 1
        _close(run, result)
        return result

    return merge(nodes)


def _close(run: list[Item], result: list[Node]) -> None:
    """Adds a run of layers to the result as one layer."""
    if len(run) == 1:
        result.append(run[0])
    elif run:
        primitives = tuple(index for item in run for index in item.primitives)
        result.append(Item(f"{len(primitives)} flattened stamps", primitives, run[0].frame))
    run.clear()
