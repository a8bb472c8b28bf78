"""Text to data with places: YAML read as editors read it, and each piece's way back to its line and column."""
