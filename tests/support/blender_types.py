"""A mypy plugin that corrects the stubs of Blender's modules: see [tool.mypy] in pyproject.toml."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from mypy.maptype import map_instance_to_supertype
from mypy.nodes import ARG_POS, Argument, FuncDef, StrExpr, Var
from mypy.plugin import AttributeContext, ClassDefContext, FunctionContext, MethodContext, MethodSigContext, Plugin
from mypy.plugins.common import add_attribute_to_class, add_method_to_class
from mypy.types import AnyType, CallableType, Instance, NoneType, TupleType, Type, TypeOfAny, UnionType, get_proper_type

ANYTHING = AnyType(TypeOfAny.explicit)

# Classes whose attributes are made at run time, or are those of the subclass that Blender really returns.
OPEN = ["AddonPreferences", "PropertyGroup", "ActionStrip", "Attribute", "Curve", "Modifier", "Node", "NodeSocket"]
OPEN += ["Property", "Space", "Strip"]

# Operators and their helpers, whose methods return set[str].
OPERATORS = ["bpy.types.Operator", "bl_operators.presets.AddPresetBase", "bpy_extras.io_utils.ExportHelper"]

# Attributes that are one of many classes, or more than the stubs know: arrays, the engines of add-ons.
WIDE = ["AreaSpaces.active", "Image.pixels", "ImagePreview.icon_pixels_float", "ImagePreview.image_pixels_float"]
WIDE += ["ID.library", "Object.data", "RenderSettings.engine", "bpy_struct.id_data"]

# Functions and methods of which the stubs do not know that they return something.
ANSWERING = ["addon_utils.enable", "bpy.types.BlendDataLibraries.load", "bpy.types.Object.evaluated_geometry"]
ANSWERING += ["bpy.utils.register_cli_command"]

# Attributes that are never None where the add-on runs.
PRESENT = ["Context.preferences", "Context.region", "Context.scene", "Context.view_layer", "Context.window_manager"]
PRESENT += ["Menu.layout", "Operator.layout", "Panel.layout", "ViewLayer.depsgraph"]


def _add_method(name: str, *arguments: str) -> Callable[[ClassDefContext], None]:
    def add(context: ClassDefContext) -> None:
        values = [Argument(Var(argument), ANYTHING, None, ARG_POS) for argument in arguments]
        add_method_to_class(context.api, context.cls, name, values, ANYTHING)

    return add


def _open(context: ClassDefContext) -> None:
    _add_method("__getattr__", "name")(context)
    _add_method("__setattr__", "name", "value")(context)


def _extend_scene(context: ClassDefContext) -> None:
    for name in ("diffbmp", "node_tree"):  # the latter until Blender 4.5
        add_attribute_to_class(context.api, context.cls, name, ANYTHING)


def _make_array(context: ClassDefContext) -> None:
    _add_method("__iter__")(context)
    _add_method("__array__")(context)


def _widen_results(context: ClassDefContext) -> None:
    strings = context.api.named_type("builtins.set", [context.api.named_type("builtins.str")])
    for method in context.cls.defs.body:
        if isinstance(method, FuncDef) and isinstance(method.type, CallableType):
            if method.name in ("execute", "invoke", "modal"):
                method.type.ret_type = strings
            elif method.name == "check":
                method.type.ret_type = ANYTHING


def _result(context: FunctionContext | MethodContext) -> Type:
    """The type of a call of an operator."""
    return context.api.named_generic_type("builtins.set", [context.api.named_generic_type("builtins.str", [])])


def _functions(context: FunctionContext) -> Type:
    """The type of register_classes_factory."""
    function = CallableType([], [], [], NoneType(), context.api.named_generic_type("builtins.function", []))
    return TupleType([function, function], context.api.named_generic_type("builtins.tuple", [function]))


def _item(context: MethodContext) -> Type:
    """The type of a collection's method `get`."""
    assert isinstance(context.type, Instance)
    for base in context.type.type.mro:
        if base.name == "bpy_prop_collection":
            item = map_instance_to_supertype(context.type, base).args[0]
            return UnionType.make_union([item, *(context.arg_types[1] or [NoneType()])])
    return context.default_return_type  # of a datablock's own properties


def _any_icon(context: MethodSigContext) -> CallableType:
    """Accept icons that are chosen at run time; the stubs know icons by their names."""
    signature = context.default_signature
    types = [
        ANYTHING if name == "icon" and given and not isinstance(given[0], StrExpr) else kind
        for name, kind, given in zip(signature.arg_names, signature.arg_types, context.args, strict=True)
    ]
    return signature.copy_modified(arg_types=types)


def _present(context: AttributeContext) -> Type:
    found = get_proper_type(context.default_attr_type)
    items: Sequence[Type] = found.items if isinstance(found, UnionType) else [found]
    return UnionType.make_union([item for item in items if not isinstance(get_proper_type(item), NoneType)])


class BlenderTypes(Plugin):
    def get_customize_class_mro_hook(self, fullname: str) -> Callable[[ClassDefContext], None] | None:
        if fullname in OPERATORS:
            return _widen_results
        module, _, name = fullname.rpartition(".")
        if module == "mathutils":
            return _make_array
        hooks = {"Scene": _extend_scene, "bpy_struct": _add_method("__contains__", "key")}
        hooks |= {"bpy_prop_array": _make_array, **dict.fromkeys(OPEN, _open)}
        return hooks.get(name) if module == "bpy.types" else None

    def get_attribute_hook(self, fullname: str) -> Callable[[AttributeContext], Type] | None:
        name = fullname.removeprefix("bpy.types.")
        return (lambda _: ANYTHING) if name in WIDE else _present if name in PRESENT else None

    def get_function_hook(self, fullname: str) -> Callable[[FunctionContext], Type] | None:
        if fullname.startswith("bpy.ops."):
            return _result
        if fullname.startswith("bpy.props.") or fullname in ANSWERING:
            return lambda _: ANYTHING
        return _functions if fullname == "bpy.utils.register_classes_factory" else None

    def get_method_hook(self, fullname: str) -> Callable[[MethodContext], Type] | None:
        if fullname.startswith("bpy.types.WindowManager.invoke_"):
            return _result
        if fullname in ANSWERING:
            return lambda _: ANYTHING
        return _item if fullname.startswith("bpy.types.") and fullname.endswith(".get") else None

    def get_method_signature_hook(self, fullname: str) -> Callable[[MethodSigContext], CallableType] | None:
        return _any_icon if fullname.startswith("bpy.types.UILayout.") else None


def plugin(_: str) -> type[Plugin]:
    """The entry point for mypy."""
    return BlenderTypes
