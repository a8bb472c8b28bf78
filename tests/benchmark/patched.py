"""The same with instructor and a pydantic class: `python patched.py ROWS OUT CONCURRENCY`."""

import asyncio
import json
import sys
from pathlib import Path
from typing import Literal

import anthropic
import instructor
from pydantic import BaseModel, ConfigDict, Field


class Label(BaseModel):
    """What is asked for."""

    model_config = ConfigDict(extra="forbid")
    label: Literal["question", "statement", "other"]
    score: int = Field(ge=1, le=5)
    reason: str


async def main(source: Path, target: Path, concurrency: int) -> None:
    """Label every row, so many at once."""
    slots = asyncio.Semaphore(concurrency)
    async with anthropic.AsyncAnthropic(max_retries=5) as bare:
        client = instructor.from_anthropic(bare, mode=instructor.Mode.TOOLS)
        with source.open() as rows, target.open("w") as out:

            async def label(row: dict[str, str]) -> None:
                async with slots:
                    made = await client.messages.create(
                        model="claude-haiku-4-5",
                        max_tokens=1024,
                        system="You label texts.",
                        messages=[{"role": "user", "content": f"Label this text: {row['text']}"}],
                        response_model=Label,
                        max_retries=2,
                    )
                out.write(json.dumps({**row, "label": made.model_dump()}) + "\n")

            async with asyncio.TaskGroup() as group:
                for line in rows:
                    group.create_task(label(json.loads(line)))


asyncio.run(main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])))
