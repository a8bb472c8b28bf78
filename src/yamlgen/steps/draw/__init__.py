"""The `draw` kind: a step that draws random values."""
