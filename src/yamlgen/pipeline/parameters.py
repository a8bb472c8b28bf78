"""Parameters: declared as JSON Schemas, set for a run with `-p name=value`, checked before anything is sent.

Validation of a pipeline knows only the schemas of its parameters; their values belong to a run.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from yamlgen.collector import Collector
from yamlgen.diagnostics import Diagnostic, Mark
from yamlgen.errors import Code
from yamlgen.expressions.static_types import ANYTHING, NamespaceView, SchemaView, TypeView
from yamlgen.option_names import by_surface, parameter
from yamlgen.parsing.secret_scan import find_secrets, setting, without_secrets
from yamlgen.parsing.source_map import SourceText
from yamlgen.parsing.yaml_parser import compose
from yamlgen.pipeline.parsed_file import ParsedFile
from yamlgen.schemas.author_schema import JSONSchema, SchemaLoader
from yamlgen.schemas.types import Type
from yamlgen.suggestions import suggestion
from yamlgen.value_objects import JSON


@dataclass
class ParameterValues(Collector):
    """The values of the parameters in one run.

    Attributes:
        values: the valid values by name: those that were set, and the defaults of the others.
        texts: the values that were set, as written. They may contain secrets.
    """

    values: dict[str, JSON]
    texts: list[SourceText] = field(default_factory=list)


@dataclass
class Parameters(Collector):
    """The declared parameters of a file, with their defaults."""

    parsed: ParsedFile
    loader: SchemaLoader
    schemas: dict[str, JSONSchema] = field(default_factory=dict)
    defaults: dict[str, JSON] = field(default_factory=dict)
    is_doubtful: bool = False
    """Whether a declaration is unclear, which was reported."""
    unfit: set[str] = field(default_factory=set)
    """The parameters whose default does not match the declaration: either may be wrong."""

    def declare(self) -> None:
        """Load each parameter's schema and default."""
        for name, declaration in self.parsed.pipeline.params.items():
            path, before = ("params", name), len(self.loader.diagnostics)
            schema = self.loader.inline(self.parsed.document, path, self.parsed.path, declaration)
            self.is_doubtful = self.is_doubtful or schema is None or len(self.loader.diagnostics) > before
            if schema is None:
                continue
            self.schemas[name] = schema
            if "default" in declaration:
                self.defaults[name] = declaration["default"]
                for error in schema.errors(declaration["default"])[:1]:
                    mark = self.parsed.document.mark((*path, "default"))
                    message = f"the default of `{name}` does not match its schema: {error.removeprefix('$: ')}"
                    hint = self._values(name, declaration["default"]) or "change the default, or the schema"
                    self.complain(Code.BAD_PARAM, message, mark, hint)
                    self.unfit.add(name)

    def given(self, given: Mapping[str, JSON], *, complete: bool) -> ParameterValues:
        """Return the values of a run. Values from the command line have already been parsed.

        Args:
            given: the values by name.
            complete: whether every parameter must have a value.
        """
        made, declared = ParameterValues(dict(self.defaults)), self.parsed.names("params")
        for name, value in given.items():
            written = given_as(str(name), value)
            made.texts.append(written)
            mark = Mark(written.file, 1, 1, 1, 1 + len(written.file))
            made.diagnostics.extend(find_secrets(written))
            if not isinstance(name, str):
                message = f"the name of a parameter must be a string, not `{name!r}`"
                hint = "use the name in the pipeline"
                made.complain(Code.UNDECLARED_PARAM, message, mark, hint)
            elif name not in declared:
                hint = suggestion(name, sorted(declared), "parameters") or "this pipeline declares none"
                message = f"the pipeline has no parameter `{name}`"
                made.complain(Code.UNDECLARED_PARAM, message, mark, hint)
            elif name in self.schemas:
                self._give(made, name, value, mark)
        if complete:
            for name in self.schemas:
                if name not in self.defaults and name not in given:
                    message = f"the parameter `{name}` has no value and no default"
                    mark = self.parsed.document.mark(("params", name), key=True)
                    given_so = by_surface(command=f"-p {name}=...", python=f"params={{{name!r}: ...}}")
                    hint = f"set a value: `{given_so}`"
                    made.complain(Code.MISSING_PARAM, message, mark, hint)
        return made

    def _give(self, made: ParameterValues, name: str, value: JSON, mark: Mark) -> None:
        errors = self.schemas[name].errors(value)
        if errors:
            is_text = self.schemas[name].wants_text(value)
            quotes = f"put a string in quotes, because values are parsed as YAML: -p '{name}=\"12\"'"
            hint = quotes if is_text else self._values(name, value)
            message = f"the value of `{name}` does not match its schema: {errors[0].removeprefix('$: ')}"
            made.complain(Code.BAD_PARAM, message, mark, hint)
        else:
            made.values[name] = value

    def _values(self, name: str, value: JSON) -> str | None:
        """Return the hint for a value that is not in the `enum` of a parameter; `None` if it has none."""
        values = self.parsed.pipeline.params[name].get("enum")
        known = [each for each in values if isinstance(each, str)] if isinstance(values, list) else []
        return suggestion(value, known, "values") if isinstance(value, str) else None

    def view(self) -> TypeView:
        """Return the type of `params` in templates."""
        if self.parsed.is_broken("params"):
            return ANYTHING
        members: dict[str, TypeView] = dict.fromkeys(self.parsed.names("params"), ANYTHING)
        for name, schema in self.schemas.items():
            members[name] = ANYTHING if name in self.unfit else SchemaView.of(Type(schema.value), f"params.{name}")
        return NamespaceView(Code.UNKNOWN_PARAM, "parameter", members)


def given_as(name: str, value: JSON) -> SourceText:
    """Return the value of a parameter as its caller writes it: the place of what is wrong with it."""
    spoken = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=repr)
    return setting(parameter, name, spoken)


def read_value(name: str, text: str) -> tuple[JSON, Diagnostic | None]:
    """Parse the value of `-p name=text`: a YAML scalar or flow collection. An empty value is an empty string."""
    if not text.strip():
        return text, None
    written = setting(parameter, name, text)
    document, problems = compose(SourceText(written.file, text), any_root=True)
    if document is None or problems:
        mark = Mark(written.file, 1, 1, 1, len(written.file) + 1)
        reason = problems[0].message if problems else "no value"
        hint = f"put the value in quotes: -p '{name}=\"...\"'"
        found = Diagnostic(Code.BAD_PARAM, f"the value of `{name}` cannot be read: {reason}", mark, hint)
        return None, without_secrets([found], [written])[0]
    return document.data, None
