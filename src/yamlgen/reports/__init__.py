"""Folds over the event stream."""
