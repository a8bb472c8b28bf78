"""The pipeline file: the language as models, what deviates from it, and the file as it was read."""
