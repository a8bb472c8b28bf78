"""Claude as the model of steps, through the SDK and instructor."""
