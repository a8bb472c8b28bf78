"""What a step that calls a function of the author's may say."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Annotated, ClassVar, Literal, TypeAlias

from pydantic import ConfigDict, Field, StringConstraints

from yamlgen.steps.config_fields import Text
from yamlgen.steps.step_config import Expression, StepConfig, StepText, TypedOutput

CALL = r"^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*:[A-Za-z_][A-Za-z0-9_]*$"

Argument: TypeAlias = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
"""The name of a parameter of a Python function."""


class Python(StepConfig):
    """A function of your own, from a file beside the pipeline.

    `validate` reads the file and does not run it. The function is given copies of its arguments. It returns a JSON
    value: None, a bool, a number, a text, or lists and dicts of them. What it raises sets the row aside. The module is
    loaded once a run; it may import its siblings.

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

    does: ClassVar[str] = "calls a function of yours"
    gives: ClassVar[str] = "what it returns"

    kind: Literal["python"] = "python"
    """What the step does: `python` calls a function."""
    call: Annotated[str, StringConstraints(pattern=CALL)] = "module:function"
    """The function, as `module:function`; `module` is a file beside the pipeline, `module.py`. A coroutine function is
    awaited, any other runs in a thread. Its value must be a JSON value."""
    args: dict[Argument, Expression] = Field(default_factory=dict)
    """The keyword arguments, each an expression."""
    timeout: float | None = Field(None, gt=0, le=86400)
    """Seconds that one call may take; `runtime.timeout` where none is set."""
    keep: bool = False
    """Keep the results in the store, by the arguments, and do not call again for them while the function is the same:
    its module, what that imports from the pipeline's folder, and the files under `reads`.

    Kept values go along with the folder, since its files are told by their contents and their paths in it. A change of
    one of them, of a comment too, calls again for what is needed; so does another list under `reads`. While a file is
    changed under a run, nothing that depends on it is kept. What is installed elsewhere, and the time of day, are no
    part of this.

    Without `keep` `yamlgen plan` cannot know what the steps behind this one ask: it tells the most that they may.
    """
    reads: Annotated[list[Text], Field(min_length=1)] | None = None
    """The files that the function reads, as paths relative to the pipeline: with `keep: true`, a change of one of them
    calls again. Patterns such as `data/*.csv` stand for all files that fit, `**` for folders at any depth.

    `validate` warns of a file that the function opens by a literal name and that is not listed. A file that it both
    writes and reads does not belong here.

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
    """The schema of the value. A value that does not fit sets the row aside; later steps know the types by it."""

    def sources(self) -> Iterator[StepText]:
        """Its expressions."""
        yield from super().sources()
        yield from (StepText("arg", source, ("args", name), name) for name, source in self.args.items())

    def files(self, fitting: Callable[[str], list[str]]) -> Iterator[str]:
        """The paths that it names for reading; `fitting` gives those that a pattern stands for."""
        yield from super().files(fitting)
        yield f"{self.call.partition(':')[0].replace('.', '/')}.py"
        for reference in self.reads or ():
            yield from fitting(reference)
