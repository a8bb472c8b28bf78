"""Rows out: `row` and `failed` compose what is written of a row, `files` and `stdout_writer` write it."""
