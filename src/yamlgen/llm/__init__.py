"""`AnthropicLLM`: the model without a pipeline, for Python users."""
