"""Sources of one file, for tests."""

from yamlgen.data.input_file import InputFile
from yamlgen.data.source import Source
from yamlgen.formats.format import FileSettings


def file_source(path=None, shown="", *, id=None, is_given=False, format=None, **settings):  # noqa: A002 - the YAML keys
    """Return the source of one file, or of standard input."""
    file = InputFile(path, shown, format, FileSettings(**settings), is_given=is_given)
    return Source(files=(file,), id=id, shown=shown, is_given=is_given)
