"""Rows in: `input_head` looks at an input, `source` reads all of it, each row with who it is."""
