"""What a good engineer writes by hand on the bare SDK: `python bare.py ROWS OUT CONCURRENCY [aiohttp]`.

With `aiohttp` the requests go through the SDK's faster transport, as ours do.
"""

import asyncio
import json
import sys
from pathlib import Path
from typing import Literal

import anthropic
from pydantic import BaseModel, ConfigDict, Field


class Label(BaseModel):
    """What is asked for."""

    model_config = ConfigDict(extra="forbid")
    label: Literal["question", "statement", "other"]
    score: int = Field(ge=1, le=5)
    reason: str


TOOL = {"name": "label", "description": "The label of the text.", "input_schema": Label.model_json_schema()}


async def main(source: Path, target: Path, concurrency: int, *, aiohttp: bool) -> None:
    """Label every row, so many at once."""
    slots = asyncio.Semaphore(concurrency)
    http_client = anthropic.DefaultAioHttpClient() if aiohttp else None
    async with anthropic.AsyncAnthropic(max_retries=5, http_client=http_client) as client:
        with source.open() as rows, target.open("w") as out:

            async def label(row: dict[str, str]) -> None:
                async with slots:
                    message = await client.messages.create(
                        model="claude-haiku-4-5",
                        max_tokens=1024,
                        system="You label texts.",
                        messages=[{"role": "user", "content": f"Label this text: {row['text']}"}],
                        tools=[TOOL],
                        tool_choice={"type": "tool", "name": "label"},
                    )
                call = next(block for block in message.content if block.type == "tool_use")
                made = Label.model_validate(call.input)
                out.write(json.dumps({**row, "label": made.model_dump()}) + "\n")

            async with asyncio.TaskGroup() as group:
                for line in rows:
                    group.create_task(label(json.loads(line)))


asyncio.run(main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), aiohttp="aiohttp" in sys.argv[4:]))
