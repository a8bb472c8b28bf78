"""The composition root: load a pipeline, plan it, run it, look at its runs. It wires the rooms together.

What the command line can do is done here, so that Python users have the same machine: `commands` and `history` hold
the functions that they call, in the words of the commands.
"""
