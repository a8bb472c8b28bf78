"""Rows out: `output_columns` and `failure_records` compose a row, `files` and `stdout_writer` write it."""
