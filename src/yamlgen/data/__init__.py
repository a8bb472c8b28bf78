"""Rows in: `source` reads an input, each row with who it is."""
