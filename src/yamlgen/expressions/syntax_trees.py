"""Templates and expressions by their syntax: as JSON, however they are written, and which members they read."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import Any

from jinja2 import nodes

from yamlgen.value_objects import JSON


def dumped(node: Any) -> JSON:
    """Return a syntax tree as JSON, without the places of its nodes; text is one string, however it is written."""
    if isinstance(node, nodes.Output):
        return ["Output", *_joined(node.nodes)]
    if isinstance(node, nodes.Node):
        made: list[JSON] = [type(node).__name__]
        for _, value in node.iter_fields():  # in a loop, a tree of any valid depth takes half of the stack
            made.append(dumped(value))
        return made
    if isinstance(node, list | tuple):
        return [dumped(each) for each in node]
    return node if node is None or isinstance(node, str | int | float | bool) else repr(node)


def _joined(parts: Iterable[nodes.Node]) -> list[JSON]:
    """Return the parts of an output; texts next to each other, also those that an expression prints, are one."""
    made: list[JSON] = []
    for part in parts:
        match part:
            case nodes.TemplateData(data=str(text)) | nodes.Const(value=str(text)):
                if made and isinstance(made[-1], str):
                    made[-1] += text
                else:
                    made.append(text)
            case _:
                made.append(dumped(part))
    return made


def members_read(trees: Iterable[nodes.Node], name: str, known: Collection[str]) -> Collection[str]:
    """Return which of the known members of a name templates read: all of them if it is read as a whole."""
    members: set[str] = set()
    for node in (each for tree in trees for each in _nodes(tree)):
        match node:
            case nodes.Getattr(node=nodes.Name(name=found), attr=member) if found == name:
                members.add(member)
            case nodes.Getitem(node=nodes.Name(name=found), arg=nodes.Const(value=str(member))) if found == name:
                members.add(member)
            case nodes.Name(name=found) if found == name:
                return known
    return members if members <= set(known) else known  # a method, such as `params.items()`


def _nodes(node: nodes.Node) -> Iterator[nodes.Node]:
    """Yield the nodes of a syntax tree; a name of which one member is read is not a node of its own."""
    yield node
    match node:
        case nodes.Getattr(node=nodes.Name()) | nodes.Getitem(node=nodes.Name(), arg=nodes.Const()):
            return
    for child in node.iter_child_nodes():
        yield from _nodes(child)
