"""The `python` kind: a step that calls a function of the author."""
