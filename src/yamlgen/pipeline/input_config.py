"""The keys of `input`: where the rows come from, how they are read, and which of them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, StringConstraints

from yamlgen.formats.format_table import FormatName
from yamlgen.steps.config_fields import FrozenModel, Text
from yamlgen.steps.step_config import Expression

Delimiter = Annotated[str, StringConstraints(min_length=1, max_length=1)]


class Sample(FrozenModel):
    """A sample of the rows, in the order of the input.

    It depends on the `id` of each row and the seed, not on the order of the rows. An added row can only take the place
    of another row in the sample, so the stored answers of nearly all its rows are used again. Without `id`, the values
    in the columns that the pipeline refers to take its place.

    ```yaml
    input:
      path: reviews.csv
      id: review_id
      sample: {n: 500, seed: 1}
    steps:
      summary: {model: claude-haiku-5-5, prompt: "Sum this up in five words: {{ row.text }}"}
    ```
    """

    model_config = ConfigDict(json_schema_extra={"required": ["n"]})

    n: int = Field(1, ge=1)
    """The number of rows. If there are fewer, the sample is all of them."""
    seed: int = 0
    """Another seed draws another sample."""


class FileOptions(FrozenModel):
    """A file of rows, and how it is read."""

    path: Text | None = None
    """The file, or a pattern such as `data/*.parquet`, relative to the pipeline file."""
    format: FormatName | None = None
    """The format of the rows. Default: the format of the file's extension."""
    encoding: Text = "utf-8"
    """The encoding of a text file, such as `latin-1`, `cp1252` (Windows) or `utf-16`: a name of an encoding of
    Python."""
    delimiter: Delimiter | None = None
    """The character between the cells of a CSV or TSV file. Default: a comma; in a TSV file, a tab."""
    quoting: Literal["double", "none"] = "double"
    """Whether a cell of a CSV or TSV file can be in double quotes. `none`: quotes are characters like others, and each
    line is a row."""
    header: bool = True
    """Whether the first row of a CSV or TSV file names the columns. If not, set `columns`."""
    columns: list[Text] | None = Field(None, min_length=1)
    """The names of all columns of a CSV or TSV file without a header (`header: false`), in order."""
    json_columns: list[Text] | None = Field(None, min_length=1)
    """The columns of a CSV or TSV file whose cells are JSON, such as `["a", "b"]`. An empty cell is null."""


class Table(FileOptions):
    """A table of `sql`: a file, or the output of another pipeline. A path alone is short for `{path: ...}`.

    `ratings.csv`:

    ```csv
    review_id,product_id,text
    r-1,k-3,The kettle leaks.
    ```

    `products.txt`:

    ```text
    product_id|name
    k-3|Kettle
    ```

    ```yaml
    input:
      tables:
        r: ratings.csv
        p: {path: products.txt, format: csv, delimiter: "|"}
      sql: select r.*, p.name from r join p using (product_id)
      id: review_id
    steps:
      summary: {model: claude-haiku-5-5, prompt: "{{ row.name }} in five words: {{ row.text }}"}
    ```
    """

    model_config = ConfigDict(
        json_schema_extra={
            "oneOf": [{"required": ["path"]}, {"required": ["pipeline"]}],
            "dependentRequired": {key: ["pipeline"] for key in ("output", "params", "partial")},
        }
    )

    pipeline: Text | None = None
    """Another pipeline file, whose output is the table. It is run first, if it is not up to date."""
    output: str | None = None
    """Which output of that pipeline, if it has several."""
    params: dict[str, Any] | None = None
    """The parameters of that pipeline."""
    partial: bool = False
    """Continue although rows of that pipeline failed."""


class Input(FileOptions):
    """The source of the rows.

    Set one of `path`, `folder`, `range`, `sql` or `rows`. Set `id` if you can: it identifies a row when other columns
    change, so that its stored answers are used.

    A file may be compressed with gzip or zstd: add `.gz` or `.zst` to its name (`.csv.gz`, `.jsonl.zst`). A text file
    must be UTF-8, unless `encoding` is set. A byte order mark at its beginning is not part of the text.

    A CSV file must be in the format of RFC 4180; a TSV file (`.tsv`) has tabs in place of commas. The values are
    strings, and an empty cell is `""`. Empty lines are skipped. If the first line is `sep=;`, which is for
    spreadsheets, it sets the delimiter, unless `delimiter` is set. If the first column has no name, as in a file of
    pandas' `to_csv()`, its name is `index`, or `level_0` if another column is named `index`. A NUL character is read as
    U+FFFD. A byte order mark after the beginning, as in concatenated files, remains in its value. Both cause a warning.

    A run reads all rows before the first request, and the files must not change until the run ends. Rows that are
    appended meanwhile are ignored, with a warning. After any other change, the run ends with exit code 3: its answers
    are stored, and no output is written.

    `reviews.csv`:

    ```csv
    review_id,text
    r-1,The kettle leaks.
    r-2,Came in a day. Great colour!
    ```

    ```yaml
    input:
      path: reviews.csv
      id: review_id
    steps:
      summary: {model: claude-haiku-5-5, prompt: "Sum this up in five words: {{ row.text }}"}
    ```
    """

    model_config = ConfigDict(
        json_schema_extra={
            "oneOf": [{"required": [key]} for key in ("path", "folder", "range", "sql", "rows")],
            "dependentRequired": {
                "pattern": ["folder"],
                "tables": ["sql"],
                "memory": ["sql"],
                "sql": ["tables", "id"],
            },
        },
    )

    path: Text | None = None
    """The file of rows, relative to the pipeline file; or a pattern such as `data/*.csv`; or `-` for standard input. In
    a pattern, `*` is any part of a name, and `**` any folders. The files are read in the order of their paths. They
    must have the same format and, in CSV and Parquet, the same columns. Hidden files are left out, and links to folders
    are not followed."""
    file_column: bool = False
    """Add the column `_file` to each row: the path of its file, relative to the pipeline file."""
    folder: Text | None = None
    """A folder of text files, relative to the pipeline file. Each file is a row with the columns `path` (relative to
    the folder), `name` and `text`, in the order of the paths. `id: path` identifies each file."""
    pattern: Text = "**/*"
    """Which files of the folder, such as `**/*.md`. Hidden files are left out."""
    range: int | None = Field(None, ge=1)
    """The number of rows to make, with only the column `number`, from 1. For pipelines that draw."""
    tables: dict[str, Text | Table] | None = Field(None, min_length=1)
    """The tables of `sql`, by name: files, patterns of files, or outputs of other pipelines. The query reads nothing
    else. The cells of CSV files are text, except in `json_columns`."""
    sql: Text | None = None
    """One SELECT statement for DuckDB; its rows are the input. It needs `pip install 'yamlgen[sql]'`. It is executed
    once in a run, on one thread. The rows are sorted by `id`, unless the statement ends with ORDER BY."""
    memory: str | None = Field(None, pattern=r"^[1-9][0-9]*(\.[0-9]+)?(MB|GB|MiB|GiB)$")
    """Maximum memory of the SQL query, such as `2GB`. What exceeds it is written to the store's folder. Default: 80% of
    the memory of the machine."""
    where: Expression | None = None
    """An expression of `row` and `params`. A row for which it is false is left out, as if the input did not contain it:
    its id is not checked."""
    sample: Sample | None = None
    """A random part of the rows for which `where` is true."""
    limit: int | None = Field(None, ge=1)
    """Maximum number of rows, after `where` and `sample`. All rows are read and checked nevertheless."""
    id: Text | None = None
    """The column that identifies a row, in messages and for `--row`. Each row must have a value, and each value must be
    unique."""
    rows: list[dict[str, Any]] | None = None
    """The rows themselves: a list of mappings from columns to values."""
