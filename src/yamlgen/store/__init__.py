"""The store: every billed answer, the runs, and the result of each row."""
