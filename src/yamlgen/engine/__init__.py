"""The engine: runs rows through a plan."""
