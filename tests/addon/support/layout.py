"""A stand-in for Blender's UILayout, which draws nothing in background mode: records and checks what is drawn."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from types import FunctionType, MethodType, SimpleNamespace
from typing import Any
from unittest import mock

import bpy
from diffbmp import panels

_RNA: Any = bpy.types.UILayout.bl_rna


@dataclass
class Item:
    """A widget. kind: the name of UILayout's method. name: of its property or its operator. values: see Layout.

    reason: why the button cannot be pressed, "" if it can.
    """

    kind: str
    layout: Layout
    text: str = ""
    name: str = ""
    values: dict[str, Any] = field(default_factory=dict)
    reason: str = ""

    @property
    def enabled(self) -> bool:
        layout: Layout | None = self.layout
        while layout is not None and layout.enabled:
            layout = layout.parent
        return layout is None


@dataclass
class Screen:
    """The contents of a region, and the classes that have drawn it."""

    context: Any
    items: list[Item] = field(default_factory=list)
    drawn: list[type] = field(default_factory=list)

    @property
    def texts(self) -> list[str]:
        return [item.text for item in self.items if item.text.strip()]

    @property
    def text(self) -> str:
        """All texts in one line."""
        return " ".join(self.texts)

    @property
    def labels(self) -> list[str]:
        """The panels' labels from top to bottom."""
        return [kind.bl_label for kind in self.drawn if issubclass(kind, bpy.types.Panel)]

    def buttons(self, name: str) -> list[Item]:
        """Returns the buttons of an operator."""
        return [item for item in self.items if item.kind == "operator" and item.name == name]

    def properties(self, group: str) -> dict[str, Item]:
        """Returns the properties of a struct by name."""
        found = [item for item in self.items if item.name.startswith(f"{group}.")]
        return {item.name.rpartition(".")[2]: item for item in found}

    def draw(self, kind: type, source: object = None, **values: Any) -> None:
        """Draws a class, if its poll allows that. source: its instance if it has one."""
        poll = getattr(kind, "poll", None)
        if poll is not None and not poll(self.context):
            return
        self.drawn.append(kind)
        stand_in = StandIn(source or kind, layout=Layout(self), **values)
        for name in ("draw_header_preset", "draw_header", "draw"):
            if method := getattr(kind, name, None):
                method(stand_in, self.context)

    def draw_options(self, kind: Any, **values: Any) -> None:
        """Draws the properties of an operator with their defaults, except for given values."""
        rna = _operator_rna(kind.bl_idname)
        usual = {rule.identifier: rule.default for rule in rna.properties if hasattr(rule, "default")}
        kind.draw(StandIn(kind, layout=Layout(self), **{"bl_rna": rna, **usual, **values}), self.context)

    def draw_sidebar(self) -> None:
        """Draws all panels of the add-on in their order, as if all were open."""
        self._draw_panels("")

    def _draw_panels(self, parent: str) -> None:
        children = [
            kind
            for kind in classes(bpy.types.Panel)
            if kind.bl_space_type == "VIEW_3D" and getattr(kind, "bl_parent_id", "") == parent
        ]
        # In the order of registration where none is set.
        parts = [part.__name__ for part in panels._PARTS]
        children.sort(key=lambda kind: (getattr(kind, "bl_order", 0), parts.index(kind.__module__)))
        for kind in children:
            self.draw(kind)
            if kind in self.drawn:
                self._draw_panels(kind.__name__)


def classes(base: Any) -> list[Any]:
    """Returns the add-on's registered subclasses of a class of Blender's, each once."""
    found: dict[Any, None] = {}
    for kind in base.__subclasses__():
        if kind.__module__.startswith("diffbmp."):
            found |= dict.fromkeys([kind] * ("bl_rna" in vars(kind)) + classes(kind))
    return list(found)


def context_of(scene: Any, width: float = 300) -> Any:
    """Returns a context that shows the scene in a sidebar of `width` px."""
    return SimpleNamespace(
        scene=scene,
        view_layer=scene.view_layers[0],
        mode="OBJECT",
        region=SimpleNamespace(width=width),
        window=bpy.context.window,
        window_manager=bpy.context.window_manager,
        preferences=bpy.context.preferences,
    )


def shown(scene: Any = None, width: float = 300) -> Screen:
    """Draws the sidebar of a scene, with all panels open."""
    screen = Screen(context_of(scene or bpy.context.scene, width))
    screen.draw_sidebar()
    return screen


class StandIn:
    """Replaces `self` in methods of classes that only Blender can instantiate."""

    def __init__(self, source: Any, **values: Any) -> None:
        vars(self).update(values, _source=source)

    def __getattr__(self, name: str) -> Any:
        if name == "bl_idname":
            return getattr(self._source, name, self._source.__name__)
        value = getattr(self._source, name)
        return MethodType(value, self) if isinstance(value, FunctionType) else value


class Layout:
    """Replaces a UILayout. Raises AssertionError for what Blender would refuse or draw as an error."""

    screen: Screen
    parent: Layout | None
    enabled: bool
    active: bool

    def __init__(self, screen: Screen, parent: Layout | None = None) -> None:
        vars(self).update(screen=screen, parent=parent, enabled=True, active=True)

    def __setattr__(self, name: str, value: Any) -> None:
        assert name in _RNA.properties, f"UILayout has no {name}"
        _check(_RNA.properties[name], value)
        vars(self)[name] = value

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name not in _RNA.functions:
            raise AttributeError(name)
        return partial(self._call, name)

    def _call(self, name: str, *places: Any, **named: Any) -> Any:
        parameters = _RNA.functions[name].parameters
        inputs = [parameter for parameter in parameters if not parameter.is_output]
        values = {parameter.identifier: value for parameter, value in zip(inputs, places, strict=False)}
        assert len(places) <= len(inputs), f"{name} takes {len(inputs)} arguments"
        assert not values.keys() & named.keys(), f"{name} got a value twice: {named}"
        values |= named
        for key, value in values.items():
            assert key in parameters, f"{name} takes no {key}"
            _check(parameters[key], value)
        missing = [p.identifier for p in inputs if p.is_required and p.identifier not in values]
        assert not missing, f"{name} needs {missing}"
        item = Item(name, self, values.get("text", ""), values=values)
        self.screen.items.append(item)
        special = getattr(self, f"_{name}", None)
        if special is not None:
            return special(item, **values)
        outputs = [parameter for parameter in parameters if parameter.is_output]
        return Layout(self.screen, self) if outputs else None

    def _prop(self, item: Item, data: Any, property: str, text: str | None = None, **_: Any) -> None:
        found = _property(data, property)
        item.name = f"{data.bl_rna.identifier}.{property}"
        item.text = found.name if text is None else text

    def _enum_item_icon(self, item: Item, data: Any, property: str, identifier: str) -> int:
        assert identifier in _property(data, property).enum_items
        return 1

    def _template_ID(self, item: Item, data: Any, property: str, **operators: str) -> None:
        assert _property(data, property).type == "POINTER"
        item.name = f"{data.bl_rna.identifier}.{property}"
        for name in ("new", "open", "unlink"):
            if name in operators:
                _operator_rna(operators[name])

    def _template_list(
        self,
        item: Item,
        listtype_name: str,
        list_id: str,
        dataptr: Any,
        propname: str,
        active_dataptr: Any,
        active_propname: str,
        **_: Any,
    ) -> None:
        assert _property(dataptr, propname).type == "COLLECTION"
        assert _property(active_dataptr, active_propname).type == "INT"
        kind = getattr(bpy.types, listtype_name)
        self.screen.drawn.append(kind)
        for layout_type in _property(kind, "layout_type").enum_items:
            for entry in getattr(dataptr, propname):
                stand_in = StandIn(kind, layout_type=layout_type.identifier)
                layout = Layout(self.screen, self)
                kind.draw_item(
                    stand_in, self.screen.context, layout, dataptr, entry, 0, active_dataptr, active_propname
                )

    def _prop_search(self, item: Item, data: Any, property: str, search_data: Any, search_property: str) -> None:
        assert _property(search_data, search_property).type == "COLLECTION"
        self._prop(item, data, property)

    def _menu(self, item: Item, menu: str, **_: Any) -> None:
        self.screen.draw(getattr(bpy.types, menu))

    def _popover(self, item: Item, panel: str, **_: Any) -> None:
        self.screen.draw(getattr(bpy.types, panel))

    def _operator(self, item: Item, operator: str, text: str | None = None, **_: Any) -> Values:
        rna = _operator_rna(operator)
        item.name, item.text = operator, rna.name if text is None else text
        item.values = {}
        kind = getattr(bpy.types, rna.identifier, None)
        if kind is not None and kind.__module__.startswith("diffbmp."):
            item.reason = why_not(kind, self.screen.context)
        return Values(rna, item.values)


class Values:
    """Replaces an operator's properties."""

    _rna: Any
    _values: dict[str, Any]

    def __init__(self, rna: Any, values: dict[str, Any]) -> None:
        vars(self).update(_rna=rna, _values=values)

    def __setattr__(self, name: str, value: Any) -> None:
        assert name in self._rna.properties, f"{self._rna.identifier} has no {name}"
        _check(self._rna.properties[name], value)
        self._values[name] = value


def why_not(kind: Any, context: Any) -> str:
    """Returns why an operator is disabled, "" if it is not. Raises AssertionError where its poll gives no reason."""
    said: list[str] = []
    poll = getattr(kind, "poll", None)
    with mock.patch.object(kind, "poll_message_set", said.append, create=True):
        can = poll is None or poll(context)
    assert can or said, f"{kind.__name__} does not say why it cannot be called"
    return "" if can else said[-1]


def _operator_rna(name: str) -> Any:
    """Returns an operator's RNA type. Raises KeyError where there is none."""
    module, function = name.split(".")
    return getattr(getattr(bpy.ops, module), function).get_rna_type().bl_rna


def _property(data: Any, name: str) -> Any:
    assert name in data.bl_rna.properties, f"{data.bl_rna.identifier} has no {name}"
    return data.bl_rna.properties[name]


def _check(rule: Any, value: Any) -> None:
    """Raises AssertionError where Blender would refuse a value of a property or a parameter."""
    kinds = {"STRING": str, "BOOLEAN": int, "INT": int, "FLOAT": int | float, "ENUM": str | set}
    what = f"{rule.identifier} = {value!r}"
    if rule.type in kinds and not getattr(rule, "is_array", False):
        assert isinstance(value, kinds[rule.type]), what
    if rule.type == "BOOLEAN":
        assert value in (False, True), what
    if rule.type == "ENUM":
        chosen: set[Any] = value if isinstance(value, set) else {value}
        assert chosen <= set(rule.enum_items.keys()), what
    if rule.type == "POINTER":
        assert value is not None, what
