"""The language: YAML text to a checked plan, offline, without a key."""
