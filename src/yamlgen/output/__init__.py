"""The output: `output_columns` and `failure_records` compose rows, `files` and `stdout_writer` write them."""
