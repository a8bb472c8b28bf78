"""Headers that only yamlgen's clients and the simulator exchange."""

from __future__ import annotations

from typing import Final

ROW_HEADER: Final = "x-yamlgen-row"
"""The row of a request, so that equal rows get different answers."""

AGAIN_HEADER: Final = "x-yamlgen-again"
"""How often this request was answered before, so that a retry need not get the same fault."""

SIMULATOR_HEADER: Final = "x-yamlgen-simulator"
"""Marks every response as simulated."""
