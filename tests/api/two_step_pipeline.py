"""A two-step pipeline over five towns, for the tests of the composition root."""

import json

from scripted_api import ScriptedServer, said

PIPELINE = """\
version: 1
name: towns
params:
  tone: {{type: string, default: warm}}
runtime: {{{runtime}}}
input: {{path: rows.jsonl, id: id}}
steps:
  facts:
    model: claude-haiku-5-5
    max_tokens: 1000
    prompt: "Facts on {{{{ row.town }}}}, in a {{{{ params.tone }}}} tone."
    output:
      schema:
        type: object
        additionalProperties: false
        required: [score]
        properties: {{score: {{type: integer, minimum: 1, maximum: 5}}}}
  line: {{model: claude-haiku-5-5, max_tokens: 1000, prompt: "A line on {{{{ steps.facts.score }}}}."}}
output: {{path: out/towns.jsonl}}
"""
TOWNS = ["Oslo", "Rome", "Łódź", "Graz", "Cork"]


def write(folder, runtime=""):
    """Write the pipeline with runtime settings."""
    (folder / "towns.yaml").write_text(PIPELINE.format(runtime=runtime))


def lines(path):
    """The rows of a JSONL file."""
    return [json.loads(line) for line in path.read_text().splitlines()]


def files(folder):
    """The names in a folder."""
    return sorted(path.name for path in folder.iterdir())


def answers(body):
    """What a scripted server says to either step."""
    return said('{"score": 3}') if "output_config" in body else said(f"A line, {body['messages'][0]['content']}")


async def served(reply, work):
    """Do `work(server)` while a server of `reply` is up."""
    async with ScriptedServer(reply) as server:
        return await work(server)


def lay_out(folder):
    """Write the pipeline and its rows into a folder; the pipeline's path."""
    write(folder)
    rows = [json.dumps({"id": number, "town": town}) for number, town in enumerate(TOWNS)]
    (folder / "rows.jsonl").write_text("\n".join(rows))
    return folder / "towns.yaml"
