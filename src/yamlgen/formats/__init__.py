"""The file formats of rows: each has a module here and a line in `format_table`."""
