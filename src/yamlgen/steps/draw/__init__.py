"""The step that draws values."""
