"""`yamlgen simulate`: the simulated Messages API as a server, for other clients."""

from __future__ import annotations

import signal

import click

from yamlgen.cli.messages import echo
from yamlgen.cli.options import fault_options
from yamlgen.exit_codes import ExitCode


@click.command("simulate")
@click.option(
    "--port",
    default=8765,
    show_default=True,
    type=click.IntRange(0, 65535),
    metavar="PORT",
    help="Listen on this port; 0 picks a free one.",
)
@fault_options
def command(port: int, latency: float, batch_delay: float, faults: tuple[str, ...], seed: int) -> int:
    """Serve a simulated Messages API on this machine.

    It is for other clients; `yamlgen run --simulate` does not need it. It answers as the API does, including
    structured outputs, tools and searches, and refuses what the API refuses for each model. It costs nothing. Point
    your client to the address that it prints; any key is accepted. Ctrl-C stops it.

    If you point a yamlgen run to it, the answers are stored under its address only, whatever the seed and the faults,
    and the run prints a warning.
    """
    import asyncio  # noqa: PLC0415

    from yamlgen.api.simulated_api import simulate  # noqa: PLC0415 - loads the server

    async def serve() -> None:
        async with simulate(port=port, latency=latency, batch_delay=batch_delay, faults=faults, seed=seed) as base_url:
            echo(f"simulated Messages API on {base_url}")
            echo(f"  ANTHROPIC_BASE_URL={base_url} ANTHROPIC_API_KEY=any  (Ctrl-C stops it)")
            stopped = asyncio.Event()
            loop = asyncio.get_running_loop()
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.add_signal_handler(number, stopped.set)
            await stopped.wait()

    asyncio.run(serve())
    return ExitCode.OK
