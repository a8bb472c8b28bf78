"""Where the values of a field come from: a model or a function made them, or the pipeline wrote them by itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from yamlgen.expressions.evaluation import parse_expression
from yamlgen.expressions.syntax_trees import members_read
from yamlgen.profiles.step_profile import kinds_of
from yamlgen.value_objects import JSON

_MADE: Final = ("generate", "python")
_ITEM: Final = ("item",)


@dataclass(frozen=True, slots=True)
class Authorship:
    """Where the values of a field come from.

    Attributes:
        made: whether a model or a function has made them. Constants, parameters, columns of the input and draws are as
            their author wants them.
        skipped: whether they are null for rows for which `when` skips a step.
    """

    made: bool
    skipped: bool = False


class FieldOrigins:
    """Finds the origins of fields by their names.

    Args:
        about: the record of the run.
        output: the name of the output whose rows the fields are counted in; `None` for the values of the steps.
    """

    def __init__(self, about: Mapping[str, JSON], output: str | None) -> None:
        resolved = about.get("resolved") or {}
        self._kinds = kinds_of(about)
        self._steps: Mapping[str, Mapping[str, JSON]] = resolved.get("steps") or {}
        outputs = resolved.get("outputs") or {"": resolved.get("output") or {}}
        config = {} if output is None else outputs.get(output) or {}
        columns, items = config.get("columns"), config.get("for_each")
        self._paths: dict[str, Authorship] = {}
        for name, source in _leaves(columns, "") if columns else self._own_leaves():
            found = self._origin(source, items if columns else self._steps[_root(name)].get("for_each"))
            known = self._paths.get(name, Authorship(made=True))
            self._paths[name] = Authorship(made=known.made and found.made, skipped=known.skipped or found.skipped)
        if not columns:
            self._paths |= {name: self._of_step(name) for name in self._steps}
            unthought = Authorship(made=False)  # null without a thought
            self._paths |= {f"{name}_thinking": unthought for name in self._steps}
            self._paths |= {"item": self._origin(items, None)} if items else {}

    def of(self, name: str) -> Authorship:
        """Return the origin of a field; a field of an unknown origin is one that was made."""
        at = max((path for path in self._paths if _is_in(name, path)), key=len, default=None)
        return Authorship(made=True) if at is None else self._paths[at]

    def _own_leaves(self) -> Iterator[tuple[str, str]]:
        """Yield the fields of the compute steps with several expressions, each with its own."""
        for step, keys in self._steps.items():
            for name, source in (keys.get("values") or {}).items():
                yield f"{step}[].{name}" if keys.get("for_each") else f"{step}.{name}", source

    def _of_step(self, name: str) -> Authorship:
        """Return the origin of the value of a step as a whole."""
        keys, kind = self._steps[name], self._kinds.get(name)
        skipped = "when" in keys
        if kind != "compute":
            return Authorship(made=kind in _MADE, skipped=skipped)
        sources = [keys["value"]] if "value" in keys else (keys.get("values") or {}).values()
        found = [self._origin(each, keys.get("for_each")) for each in sources]
        return Authorship(any(each.made for each in found), skipped or any(each.skipped for each in found))

    def _origin(self, source: str, items: str | None) -> Authorship:
        """Return the origin of the value of an expression.

        Args:
            source: the expression.
            items: the expression of the list that `item` comes from.
        """
        trees = [parse_expression(source)]
        if items and members_read(trees, "item", _ITEM):
            trees.append(parse_expression(items))
        found = [self._of_step(name) for name in members_read(trees, "steps", self._steps.keys())]
        return Authorship(any(each.made for each in found), any(each.skipped for each in found))


def _root(name: str) -> str:
    return name.partition(".")[0].partition("[")[0]


def _is_in(name: str, path: str) -> bool:
    return name == path or name.startswith((f"{path}.", f"{path}["))


def _leaves(columns: JSON, path: str) -> Iterator[tuple[str, str]]:
    """Yield the expressions of the columns of an output, each with the path of its field."""
    if isinstance(columns, dict):
        for name, each in columns.items():
            yield from _leaves(each, f"{path}.{name}" if path else name)
    elif isinstance(columns, list):
        for each in columns:
            yield from _leaves(each, f"{path}[]")
    else:
        yield path, str(columns)
