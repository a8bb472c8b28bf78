"""Tests of a pipeline: cases that are run on recorded answers, and judged by expressions."""
