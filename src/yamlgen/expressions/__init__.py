"""Templates and expressions: rendering and evaluation in a sandbox, references, and static types."""
