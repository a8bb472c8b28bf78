"""What is shown as HTML: one file without network, in which the text of a row is text and nothing else."""
