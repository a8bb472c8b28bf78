"""The step that asks a model."""
