"""The keys of a `python` step."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Annotated, ClassVar, Final, Literal, TypeAlias

from pydantic import ConfigDict, Field, StringConstraints

from yamlgen.steps.config_fields import Text
from yamlgen.steps.step_config import Expression, StepConfig, StepText, TypedOutput

CALL = r"^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*:[A-Za-z_][A-Za-z0-9_]*$"

Argument: TypeAlias = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
"""The name of a parameter of a Python function."""


class Python(StepConfig):
    """A call of your own function, from a file in the pipeline's folder.

    `validate` reads the file but does not run it. The function receives copies of its arguments. It returns a JSON
    value: None, a bool, a number, a string, or lists and dicts of these. If it raises an exception, the row fails. The
    module is loaded once in each run, or in each of its processes, and can import other modules from the pipeline's
    folder.

    `textstats.py`:

    ```python
    def stats(text, least=1):
        return {"words": sum(len(word) >= least for word in text.split())}
    ```

    ```yaml
    steps:
      essay:
        model: claude-haiku-5-5
        prompt: An essay about {{ row.topic }}.
      stats:
        kind: python
        call: textstats:stats
        args: {text: steps.essay, least: "4"}
        output: {schema: {type: object, required: [words], properties: {words: {type: integer}}}}
    ```
    """

    model_config = ConfigDict(json_schema_extra={"required": ["kind", "call"]})

    does: ClassVar[str] = "calls your Python function"
    gives: ClassVar[str] = "what the function returns"
    has_code: ClassVar[bool] = True

    kind: Literal["python"] = "python"
    """The kind of the step: `python` calls a function."""
    call: Annotated[str, StringConstraints(pattern=CALL)] = "module:function"
    """The function, as `module:function`; `module` is the file `module.py` in the pipeline's folder. It must return a
    JSON value. A coroutine function is awaited; any other function runs in a thread, or in a process with
    `runtime.python_workers`."""
    args: dict[Argument, Expression] = Field(default_factory=dict)
    """The keyword arguments, each an expression."""
    timeout: float | None = Field(None, gt=0, le=86400)
    """Maximum duration of one call, in seconds. Default: `runtime.timeout`."""
    keep: bool = False
    """Store the results and reuse them while the arguments and the function are unchanged. Default: `false`.

    The function counts as changed if its module, a module that it imports from the pipeline's folder, a file under
    `reads`, or the list under `reads` changes. Even a changed comment counts. Files are compared by their content and
    their path in the folder, so you can move the folder. Installed packages and the time of day are not compared. If a
    file changes during a run, results that depend on it are not stored.

    Without `keep`, `yamlgen plan` cannot know the requests of the steps that depend on this step, and reports the
    maximum.
    """
    reads: Annotated[list[Text], Field(min_length=1)] | None = None
    """The files that the function reads, as paths relative to the pipeline. With `keep: true`, the function is called
    again when one of them changes.

    A pattern such as `data/*.csv` lists all files that match; `**` matches folders at any depth. `validate` warns about
    a file that the function opens by a literal name and that is not listed. Do not list a file that the function both
    writes and reads.

    `terms.json`:

    ```json
    {"tea": "an infusion", "kettle": "what the water boils in"}
    ```

    `glossary.py`:

    ```python
    import json
    from pathlib import Path


    def terms(text):
        known = json.loads(Path(__file__).with_name("terms.json").read_text(encoding="utf-8"))
        return {word: meaning for word, meaning in known.items() if word in text.lower()}
    ```

    ```yaml
    steps:
      terms: {kind: python, call: glossary:terms, args: {text: row.text}, keep: true, reads: [terms.json]}
    ```
    """
    output: TypedOutput | None = None
    """The schema of the value. A row with an invalid value fails. Later steps take their types from the schema."""

    def sources(self) -> Iterator[StepText]:
        """Yield its expressions."""
        yield from super().sources()
        yield from (StepText("arg", source, ("args", name), name) for name, source in self.args.items())

    def files(self, fitting: Callable[[str], list[str]]) -> Iterator[str]:
        """Yield the paths of files that it reads; `fitting` returns the paths that match a pattern."""
        yield from super().files(fitting)
        yield f"{self.call.partition(':')[0].replace('.', '/')}.py"
        for reference in self.reads or ():
            yield from fitting(reference)


KEYS: Final = Python
