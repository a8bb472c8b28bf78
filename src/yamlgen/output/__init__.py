"""The output: `row_composer` and `failure_records` compose rows, `files` and `stdout_writer` write them."""
