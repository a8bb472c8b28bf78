"""Parsing of YAML as editors read it, into data with the line and column of each value."""
