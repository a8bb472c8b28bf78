"""The docstrings of the fields of models: their text in editors, in the reference and in messages.

They are read from the source when something asks for them. With `use_attribute_docstrings`, pydantic would read them at
every start, which takes a tenth of the time of a short command.
"""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from itertools import pairwise

from pydantic import BaseModel


@cache
def docstrings_of(model: type[BaseModel]) -> Mapping[str, str]:
    """Return the docstrings of a model's attributes by their names, with those that it inherits."""
    models = [each for each in reversed(model.__mro__) if each not in BaseModel.__mro__]
    return {name: text for each in models for name, text in _in_module(each.__module__).get(each.__name__, {}).items()}


@cache
def _in_module(name: str) -> Mapping[str, Mapping[str, str]]:
    """Return the docstrings in each class of a module."""
    module = ast.parse(inspect.getsource(sys.modules[name]))
    return {each.name: dict(_in_class(each)) for each in module.body if isinstance(each, ast.ClassDef)}


def _in_class(defined: ast.ClassDef) -> Iterator[tuple[str, str]]:
    """Yield the attributes that have a docstring: a string in the line below."""
    for attribute, below in pairwise(defined.body):
        match attribute, below:
            case ast.AnnAssign(target=ast.Name(name)), ast.Expr(ast.Constant(str(text))):
                yield name, inspect.cleandoc(text)
