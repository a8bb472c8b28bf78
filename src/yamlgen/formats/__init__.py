"""The formats of rows in files: each is one module here, and one line in `format_table`."""
