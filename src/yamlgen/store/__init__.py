"""What was paid for: durable responses, the runs that they belong to, and what came of each row."""
