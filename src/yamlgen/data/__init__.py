"""Rows in and rows out: `source` reads an input, `sink` leaves the files of a run."""
