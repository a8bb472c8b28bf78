"""Input: `input_head` examines the first rows, `source` reads all rows, each with its identity."""
