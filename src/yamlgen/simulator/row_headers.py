"""What our own clients and the simulator tell each other, and nobody else, besides request and answer."""

from __future__ import annotations

from typing import Final

ROW_HEADER: Final = "x-yamlgen-row"
"""Which row asks, so that equal rows get answers of their own."""

AGAIN_HEADER: Final = "x-yamlgen-again"
"""How often this request was answered before, so that a fault need not strike twice."""

SIMULATOR_HEADER: Final = "x-yamlgen-simulator"
"""Says with every answer that no model gave it."""
