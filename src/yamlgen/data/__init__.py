"""Rows in and rows out: `source` reads an input, `outputs` leaves the files of a run, `printer` prints its rows."""
