"""The keys of steps, and the kinds of steps."""
