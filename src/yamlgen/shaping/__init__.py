"""The shape of an output: its keys in the language, and how they make output rows of a finished row."""
