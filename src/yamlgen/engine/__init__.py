"""Running: rows through a plan."""
