"""Makes the stores of `every/`: of each kind of step, with kept values, refusals, invalid answers and failed items.

    python tests/pins/made_every.py

It is made once, by the version that a rebuilding starts from; to make it anew is to give up what it shows.
"""

import gzip
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent / "every"
YAMLGEN = Path(sys.executable).with_name("yamlgen")
FAULTS = ("bad_request=0.03", "invalid_output=0.1", "blank=0.05", "truncate=0.02")


def make(folder: Path) -> None:
    """Run the pipeline in a folder, against the address that it names."""
    faults = [f"--fault={fault}" for fault in FAULTS]
    server = subprocess.Popen([YAMLGEN, "simulate", "--port", "48123", "--seed", "3", *faults], stderr=subprocess.PIPE)
    try:
        assert server.stderr is not None
        server.stderr.readline()
        keyed = {**os.environ, "ANTHROPIC_API_KEY": "any"}
        for name in ("every.yaml", "plain.yaml"):
            subprocess.run([YAMLGEN, "run", name, "--yes", "-v"], cwd=folder, env=keyed, check=False)
    finally:
        server.terminate()
        server.wait()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as box:
        shutil.copytree(HERE, Path(box) / "every")
        make(Path(box) / "every")
        for path in sorted((Path(box) / "every").glob("*.jsonl")):
            shutil.copy(path, HERE / path.name)
        for path in sorted((Path(box) / "every" / ".yamlgen").glob("*.db")):
            (HERE / f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes(), mtime=0))
