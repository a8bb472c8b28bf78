"""The `generate` kind: a step that sends requests to a model."""
