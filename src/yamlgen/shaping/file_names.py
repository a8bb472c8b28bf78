"""The names of the files of an output: its parts, the failed rows, the record of the run, and its report."""

from __future__ import annotations

from pathlib import PurePath
from typing import TypeVar

from yamlgen.formats.byte_layers import compression_of

PathT = TypeVar("PathT", bound=PurePath)


def part_path(path: PathT, part: str) -> PathT:
    """Return the file of one part: `out/en.train.jsonl` for `out/en.jsonl`; the path itself for the part ""."""
    return _beside(path, f"{_stem(path)}.{part}{_ending(path)}") if part else path


def trial_path(path: PathT, suffix: str) -> PathT:
    """Return the file of a run that must not replace `path`: `out/en.limit-5.jsonl`."""
    return _beside(path, f"{_stem(path)}{suffix}{_ending(path)}")


def failed_path(path: PathT) -> PathT:
    """Return the file of the failed rows next to an output."""
    return _beside(path, f"{_stem(path)}.failed.jsonl")


def record_path(path: PathT) -> PathT:
    """Return the file of the record next to an output."""
    return _beside(path, f"{_stem(path)}.run.json")


def report_path(path: PathT) -> PathT:
    """Return the file of the report next to an output."""
    return _beside(path, f"{_stem(path)}.report.html")


def _stem(path: PurePath) -> str:
    """Return the name without its extensions: `en` for `en.jsonl` and `en.jsonl.gz`."""
    return PurePath(path.stem).stem if compression_of(path) else path.stem


def _ending(path: PurePath) -> str:
    """Return the extensions of the format and the compression."""
    return path.name[len(_stem(path)) :]


def _beside(path: PathT, name: str) -> PathT:
    """Return the file of a name next to `path`, or in it, if it is a folder such as `.`, which has no name."""
    return path.with_name(name) if path.name else path / name
