"""Reports that are computed from the events of a run."""
