"""A run against another one: its rows in pairs, and how their values differ."""
