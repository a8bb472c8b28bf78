"""The step that evaluates expressions."""
