"""Geometry Nodes that show a frame of a cache mesh, or a blend of two, as instances."""

from __future__ import annotations

import bpy

from .materials import COLOR

PRIMITIVE = "primitive"
"""Attribute of a point: the number of its primitive, from 0."""

STAMP = "stamp"
"""Attribute of a point: the number of its object in the collection of stamps."""

SHAPE, TINT, OPACITY = "shape", "tint", "opacity"
"""Attributes of the cache. shape: scale along u and v, and the angle. tint: the color as composited."""

TIME = "Frame"
"""The node whose value is the number of the layout's frame, from 0, with a fraction between two frames."""

Socket = bpy.types.NodeSocket

_NEARLY = 1e-3
"""Tolerance in frames: an F-curve only nearly reaches whole numbers, but must not show the frame before."""


def make_tree(
    name: str, cache: bpy.types.Object, stamps: bpy.types.Collection, frames: int, count: int
) -> bpy.types.NodeTree:
    """Makes nodes that show `count` primitives. cache: an object with frames x count vertices, frame after frame."""
    return _Builder(bpy.data.node_groups.new(name, "GeometryNodeTree"), cache, frames, count).build(stamps)


class _Builder:
    """Makes nodes from left to right, in columns."""

    def __init__(self, tree: bpy.types.NodeTree, cache: bpy.types.Object, frames: int, count: int) -> None:
        self.tree, self.frames, self.count = tree, frames, count
        self._column, self._row = 0, 0
        self.cache = self.add("GeometryNodeObjectInfo", label="Cache")
        self.cache.name = "Cache"
        self.cache.inputs["Object"].default_value = cache

    def build(self, stamps: bpy.types.Collection) -> bpy.types.NodeTree:
        """Makes all nodes."""
        tree = self.tree
        tree.interface.new_socket("Geometry", in_out="INPUT", socket_type="NodeSocketGeometry")
        tree.interface.new_socket("Geometry", in_out="OUTPUT", socket_type="NodeSocketGeometry")
        points = self.add("NodeGroupInput").outputs[0]
        first, second, share = self.samples()
        self.next()
        opacities = self.both(OPACITY, "FLOAT", first, second)
        opacity = self.mixed("FLOAT", share, *opacities)
        # Toward a frame in which it is not seen, a primitive fades out in place: there it may be elsewhere already.
        seen = self.math("GREATER_THAN", opacities[1], 0.0)
        moves = self.math("MULTIPLY", share, seen)
        place, shape, tint = (
            self.mixed("VECTOR", moves, *self.both(name, "FLOAT_VECTOR", first, second)) for name in ("", SHAPE, TINT)
        )
        self.next()
        points = self.placed(points, place, self.colored(tint, opacity))
        output = self.add("NodeGroupOutput")
        visible = self.math("GREATER_THAN", opacity, 0.0)
        tree.links.new(self.instanced(points, shape, visible, stamps), output.inputs[0])
        return tree

    def samples(self) -> tuple[Socket, Socket, Socket]:
        """Returns the indices in the cache of a point's samples from two frames, and the share of the second."""
        time = self.add("ShaderNodeValue", label="Frame of the layout")
        time.name = TIME
        time.outputs[0].default_value = 0.0
        self.next()
        nearly = self.math("ADD", time.outputs[0], _NEARLY)
        whole = self.add("FunctionNodeFloatToInt")
        whole.rounding_mode = "FLOOR"
        self.link(nearly, whole.inputs[0])
        last = self.frames - 1
        first = self.integer("MINIMUM", self.integer("MAXIMUM", whole.outputs[0], 0), last)
        second = self.integer("MINIMUM", self.integer("ADD", first, 1), last)
        share = self.math("SUBTRACT", time.outputs[0], first)
        share.node.use_clamp = True
        primitive = self.attribute(PRIMITIVE, "INT")
        self.next()
        start, end = (
            self.integer("ADD", self.integer("MULTIPLY", frame, self.count), primitive) for frame in (first, second)
        )
        return start, end, share

    def both(self, name: str, kind: str, first: Socket, second: Socket) -> list[Socket]:
        """Samples an attribute of the cache, "" = the position, at two of its vertices."""
        values = self.attribute(name, kind) if name else self.add("GeometryNodeInputPosition").outputs[0]
        found = []
        for index in (first, second):
            sample = self.add("GeometryNodeSampleIndex")
            sample.data_type, sample.domain, sample.clamp = kind, "POINT", False
            self.link(self.cache.outputs["Geometry"], sample.inputs["Geometry"])
            self.link(values, sample.inputs["Value"])
            self.link(index, sample.inputs["Index"])
            found.append(sample.outputs[0])
        return found

    def mixed(self, kind: str, share: Socket, first: Socket, second: Socket) -> Socket:
        mix = self.add("ShaderNodeMix")
        mix.data_type = kind
        # Several sockets share each name, one per data type.
        at, out = (2, 0) if kind == "FLOAT" else (4, 1)
        for socket, target in zip((share, first, second), (0, at, at + 1), strict=True):
            self.link(socket, mix.inputs[target])
        return mix.outputs[out]

    def colored(self, tint: Socket, opacity: Socket) -> Socket:
        parts, color = self.add("ShaderNodeSeparateXYZ"), self.add("FunctionNodeCombineColor")
        self.link(tint, parts.inputs[0])
        for index in range(3):
            self.link(parts.outputs[index], color.inputs[index])
        self.link(opacity, color.inputs["Alpha"])
        return color.outputs[0]

    def placed(self, points: Socket, place: Socket, color: Socket) -> Socket:
        """Moves the points to their primitives, and gives them the attributes of the material."""
        move = self.add("GeometryNodeSetPosition")
        self.link(points, move.inputs["Geometry"])
        self.link(place, move.inputs["Position"])
        # So that motion blur recognizes an instance when others come or go.
        known = self.add("GeometryNodeSetID")
        self.link(move.outputs[0], known.inputs["Geometry"])
        self.link(self.attribute(PRIMITIVE, "INT"), known.inputs["ID"])
        store = self.add("GeometryNodeStoreNamedAttribute")
        store.data_type, store.domain = "FLOAT_COLOR", "POINT"
        store.inputs["Name"].default_value = COLOR
        self.link(known.outputs[0], store.inputs["Geometry"])
        self.link(color, store.inputs["Value"])
        return store.outputs[0]

    def instanced(self, points: Socket, shape: Socket, visible: Socket, stamps: bpy.types.Collection) -> Socket:
        parts, angle, scale = (
            self.add(kind) for kind in ("ShaderNodeSeparateXYZ", "ShaderNodeCombineXYZ", "ShaderNodeCombineXYZ")
        )
        self.link(shape, parts.inputs[0])
        for index in range(2):
            self.link(parts.outputs[index], scale.inputs[index])
        scale.inputs[2].default_value = 1.0
        self.link(parts.outputs[2], angle.inputs[2])
        turn = self.add("FunctionNodeEulerToRotation")
        self.link(angle.outputs[0], turn.inputs[0])
        source = self.add("GeometryNodeCollectionInfo", label="Stamps")
        source.name = "Stamps"
        source.inputs["Collection"].default_value = stamps
        source.inputs["Separate Children"].default_value = source.inputs["Reset Children"].default_value = True
        self.next()
        instance = self.add("GeometryNodeInstanceOnPoints")
        instance.inputs["Pick Instance"].default_value = True
        for socket, name in (
            (points, "Points"),
            (visible, "Selection"),
            (source.outputs[0], "Instance"),
            (self.attribute(STAMP, "INT"), "Instance Index"),
            (turn.outputs[0], "Rotation"),
            (scale.outputs[0], "Scale"),
        ):
            self.link(socket, instance.inputs[name])
        return instance.outputs[0]

    def attribute(self, name: str, kind: str) -> Socket:
        node = self.add("GeometryNodeInputNamedAttribute")
        node.data_type = kind
        node.inputs["Name"].default_value = name
        return node.outputs["Attribute"]

    def integer(self, operation: str, first: Socket, second: Socket | int) -> Socket:
        return self.math(operation, first, second, "FunctionNodeIntegerMath")

    def math(self, operation: str, first: Socket, second: Socket | float, kind: str = "ShaderNodeMath") -> Socket:
        node = self.add(kind)
        node.operation = operation
        self.link(first, node.inputs[0])
        if isinstance(second, Socket):
            self.link(second, node.inputs[1])
        else:
            node.inputs[1].default_value = second
        return node.outputs[0]

    def link(self, source: Socket, target: Socket) -> None:
        self.tree.links.new(source, target)

    def next(self) -> None:
        """Starts a new column."""
        self._column, self._row = self._column + 1, 0

    def add(self, kind: str, label: str = "") -> bpy.types.Node:
        node = self.tree.nodes.new(kind)
        node.label = label
        node.location = (240 * self._column, -190 * self._row)
        self._row += 1
        return node
