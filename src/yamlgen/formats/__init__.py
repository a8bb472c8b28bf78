"""The formats of rows in files."""
