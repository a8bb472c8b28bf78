"""`yamlgen simulate`: the simulated Messages API as a server, for other clients."""

from __future__ import annotations

import asyncio
import signal

import click

from yamlgen.cli.messages import echo
from yamlgen.cli.options import fault_options
from yamlgen.exit_codes import ExitCode


@click.command("simulate")
@click.option("--port", default=8765, show_default=True, type=click.IntRange(0, 65535), help="0 takes a free one.")
@fault_options
def command(port: int, latency: float, faults: tuple[str, ...], seed: int) -> int:
    """Serve the simulated Messages API on this machine.

    It is for other clients than `run --simulate`, which brings its own. It answers as the API does, structured
    outputs, tools and searches included, refuses what the API refuses of each model, and costs nothing. Point a client
    to the address it prints; any key will do. Ctrl-C ends it. A run of yamlgen that is pointed to it keeps its answers
    by that address alone, whatever the seed and the faults, and says so.
    """
    from yamlgen.api.simulated_api import simulated_api  # noqa: PLC0415 - loads the server

    async def serve() -> None:
        async with simulated_api(port=port, latency=latency, faults=faults, seed=seed) as base_url:
            echo(f"simulated Messages API on {base_url}")
            echo(f"  ANTHROPIC_BASE_URL={base_url} ANTHROPIC_API_KEY=any  (Ctrl-C ends it)")
            stopped = asyncio.Event()
            loop = asyncio.get_running_loop()
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.add_signal_handler(number, stopped.set)
            await stopped.wait()

    asyncio.run(serve())
    return ExitCode.OK
