"""An output by hand, without a pipeline, and the files of a run that writes it."""

from pathlib import Path

from yamlgen.output.files import OutputPaths, output_paths
from yamlgen.shaping.output_config import Output
from yamlgen.shaping.output_plan import OutputPlan


def plain_output(path) -> OutputPlan:
    """An output that has nothing but a path."""
    return OutputPlan(name="", config=Output(path=str(path)), steps=())


def paths_at(path, *, simulated=False, limit=None, to_stdout=False) -> OutputPaths:
    """The files of a run whose one output is at this path."""
    given = {"": "-"} if to_stdout else {}
    return output_paths([plain_output(path)], Path(), given, simulated=simulated, limit=limit)
