"""A run by batches, by single requests, or by one after the other: the same requests, and the same files."""

import json
import shutil

from hypothesis import Phase, given, reject, settings
from hypothesis import strategies as st
from pipeline_strategies import pipelines
from plan_runs import compiled

from batching_api import LATER, apart_from_way, batching

WAYS = {
    "by batches": [["--batch"]],
    "singly, then by batches": [["--no-batch", "--max-requests", "2"], ["--batch"]],
    "detached, then singly": [["--batch", "--detach"], ["--no-batch"]],
    "detached again and again": [["--batch", "--detach"]] * 30,
    "some, then all": [["--limit", "1", "--batch"], ["--batch"]],
    "large batches only": [["--set", "batch.minimum=3"]],
}
"""The runs of each way, one after the other; those after the first that finishes are not needed."""

faults = st.sampled_from([(), (), ("invalid_output=0.4",), ("refusal=0.3", "truncate=0.2"), ("bad_request=0.3",)])


def comparable(file, of):
    """The text of a file, without what the way of an answer changes; of refused rows only which they are."""
    text = apart_from_way(file)
    if ".failed" in file.name and "bad_request=0.3" in of:
        rows = map(json.loads, text.splitlines())
        return [(row["row"], row["step"]) for row in rows]
    return text


class World:
    """A pipeline with an API and a store of their own."""

    def __init__(self, call, monkeypatch, done):
        self._call, self._monkeypatch = call, monkeypatch
        self._path = done.path
        self._params = [f"-p{name}={json.dumps(value)}" for name, value in done.params.items()]

    def outcome(self, of, *runs):
        """What runs come to, one after the other: the last code, the files, and how often each body was asked."""
        folder = self._path.parent
        shutil.rmtree(folder / ".yamlgen", ignore_errors=True)
        for file in folder.glob("out*"):
            file.unlink()
        with batching(self._monkeypatch, *of, delay=LATER if "--detach" in runs[0] else 0.0) as server:
            for options in runs:
                done = self._call("run", self._path, "-q", *options, *self._params)
                server.finish()
                if done.code in (0, 1) and "--limit" not in options:
                    break
        files = [file for file in folder.glob("out*") if not file.name.endswith(".run.json")]
        found = {file.name: comparable(file, of) for file in files if ".limit" not in file.name}
        return (done.code, done.err), found, server.asked


@settings(phases=[Phase.generate])
@given(pipelines(), faults, st.sampled_from(sorted(WAYS)))
def test_the_way_of_the_requests_makes_no_difference(call, monkeypatch, made, of, way):
    """Property."""
    made.document["output"]["provenance"] = False  # it has the prices, which differ
    with compiled(made) as done:
        if "detached" in way and not done.plan.generating:
            reject()  # nothing to detach
        world = World(call, monkeypatch, done)
        if "bad_request=0.3" in of:
            way = "by batches"  # what an earlier run was refused before any answer is sent again by the next
        (code, said), files, asked = world.outcome(of, ["--no-batch"])
        (code_2, said_2), files_2, asked_2 = world.outcome(of, *WAYS[way])
        assert code == code_2, (said, said_2)
        assert files == files_2
        assert asked == asked_2
