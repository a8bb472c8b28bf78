"""Compilation of a pipeline into a plan; the plan as a graph, as a file, and as an estimate."""
