"""The `compute` kind: a step that evaluates expressions."""
