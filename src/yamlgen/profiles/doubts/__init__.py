"""What looks wrong with the data of a run: one module for each source of suspicion, and the list of rules."""
