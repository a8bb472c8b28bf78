"""Message Batches: requests are gathered, posted together, awaited, and their results collected."""
