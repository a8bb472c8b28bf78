"""`AnthropicLLM`: the model by itself, for Python users."""
