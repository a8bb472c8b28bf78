"""Templates and expressions: what they may do, what they refer to, what their values can be."""
