"""What a change of a pipeline changes."""
