"""Three nodes on one machine, one of which dies midway."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import pytest

from danlu.config import load_config
from danlu.progress import Progress
from danlu.run_directory import RunDirectory
from examples.raw_documents import generate
from pipelines.cleaning import job
from pipelines.cleaning.config import CleanConfig

# A process of its own: it joins a Ray of its own. A node is killed once some shards are judged.
_SCRIPT = """
import sys, threading, time
from pathlib import Path
import ray
from ray.cluster_utils import Cluster
from danlu.config import load_config
from danlu.progress import Progress
from danlu.run_directory import RunDirectory
from pipelines.cleaning import job
from pipelines.cleaning.config import CleanConfig

config = load_config(CleanConfig, None, sys.argv[1:])
cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
nodes = [cluster.add_node(num_cpus=1) for _ in range(2)]
cluster.wait_for_nodes()
ray.init(address=cluster.address, log_to_driver=False, configure_logging=False)

def kill_one():
    while len(list(Path(config.output, "_work", "texts").glob("*.parquet"))) < 3:
        time.sleep(0.01)
    cluster.remove_node(nodes[0], allow_graceful=False)
    print("killed", flush=True)

threading.Thread(target=kill_one, daemon=True).start()
with RunDirectory.open("clean", config, job.inputs(config)) as run:
    job.run(config, run, Progress())
print("nodes", sum(node["Alive"] for node in ray.nodes()), flush=True)
ray.shutdown()
cluster.shutdown()
"""


def _contents(run: Path) -> dict[str, bytes]:
    return {str(p.relative_to(run)): p.read_bytes() for f in ("clean", "dropped") for p in sorted((run / f).iterdir())}


@pytest.mark.slow
def test_a_node_that_dies_changes_nothing(ray_local: None, tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    generate(raw, documents=400, seed=9)
    settings = [f"input={raw}", "shard_documents=30", "exchange_documents=100"]
    spread = [*settings, f"output={tmp_path / 'cluster'}"]
    result = subprocess.run([sys.executable, "-c", _SCRIPT, *spread], capture_output=True, text=True, timeout=280)
    assert result.returncode == 0, result.stderr[-3000:]
    assert {"killed", "nodes 2"} <= set(result.stdout.splitlines()), result.stdout[-2000:]
    config = load_config(CleanConfig, None, [*settings, f"output={tmp_path / 'alone'}"])
    with RunDirectory.open("clean", config, job.inputs(config)) as run:
        job.run(config, run, Progress(io.StringIO()))
    assert _contents(tmp_path / "cluster") == _contents(tmp_path / "alone")
