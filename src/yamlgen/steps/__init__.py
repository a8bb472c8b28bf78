"""What a step may say, and what each kind of step is."""
