"""The step that calls a function of the author's."""
