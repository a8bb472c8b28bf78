"""The commands that go on from a run, for the command line and for Python."""

from pathlib import Path
from types import SimpleNamespace

from yamlgen.option_names import cli_option_names
from yamlgen.reports.run_commands import RunCommands
from yamlgen.store.location import StoreLocation

RUN = SimpleNamespace(name="20261129T0", about={"pipeline": {"file": "here/my notes.yaml"}})


def test_commands_are_those_of_the_surface():
    """A shell gets quoted words, Python a call."""
    commands = RunCommands(StoreLocation(Path("here/.yamlgen"), "my notes.yaml", simulated=True), RUN)
    with cli_option_names():
        assert commands.retry() == "yamlgen retry 'here/my notes.yaml' 20261129T0 --simulate"
        assert commands.show_row("a b") == "yamlgen runs show 'here/my notes.yaml' 20261129T0 --row 'a b'"
        assert commands.show_row(2.5).endswith("--row 2.5"), "an id need not be a string"
    assert commands.retry() == "yamlgen.retry('here/my notes.yaml', '20261129T0', simulate=True)"
    assert commands.show_row(3) == "yamlgen.show('here/my notes.yaml', '20261129T0', row=3)"


def test_a_store_elsewhere_is_named():
    """Then the pipeline is the one that the run has recorded."""
    commands = RunCommands(StoreLocation(Path("stores"), "x.yaml"), RUN)
    with cli_option_names():
        assert commands.retry() == "yamlgen retry 'here/my notes.yaml' 20261129T0 --store stores"
    assert commands.show_row(3) == "yamlgen.show('here/my notes.yaml', '20261129T0', row=3, store='stores')"
