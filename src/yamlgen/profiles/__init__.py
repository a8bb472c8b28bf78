"""What a run made, in numbers: its fields, failures and steps, what looks suspicious, and which rows to look at."""
