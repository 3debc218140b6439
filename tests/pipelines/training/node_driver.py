"""Trains on a cluster of three nodes on this machine, of which the one with the second worker is killed at a step.

Run as `python node_driver.py CONFIG STEP`: a process of its own, since it is the driver of its own cluster.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from pathlib import Path

import psutil


def main(config_file: Path, step: int) -> None:
    os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_MODE": "disabled", "RAY_worker_niceness": "0"}
    import ray
    from ray.cluster_utils import Cluster

    from danlu.config import load_config
    from danlu.progress import Progress
    from danlu.run_directory import RunDirectory
    from pipelines.training import job
    from pipelines.training.config import TrainConfig

    cluster = Cluster()
    # The driver's node has room for Ray Train's controller and no worker.
    cluster.add_node(num_cpus=0, include_dashboard=False)
    nodes = [cluster.add_node(num_cpus=1) for _ in range(3)]
    ray.init(address=cluster.address, log_to_driver=False, configure_logging=False)
    config = load_config(TrainConfig, config_file)
    killer = threading.Thread(target=kill_node, args=(cluster, nodes, Path(config.output), step))
    killer.start()
    with RunDirectory.open("train", config, job.inputs(config)) as folder:
        report = job.run(config, folder, Progress())
        folder.finish(report)
    killer.join()
    ray.shutdown()
    cluster.shutdown()


def kill_node(cluster: object, nodes: list, run: Path, step: int) -> None:
    """Kill -9 everything on the node of the second worker: its Ray processes by their handle, and the worker."""
    from pipelines.training.attempts import read_attempts
    from pipelines.training.metrics import latest_metrics

    while (row := latest_metrics(run / "metrics.jsonl")) is None or row.step < step:
        time.sleep(0.005)
    worker = read_attempts(run / "_state" / "attempts.jsonl")[0].processes[1]
    above = {process.pid for process in psutil.Process(worker).parents()}
    found = [
        node for node in nodes if above & {info.process.pid for infos in node.all_processes.values() for info in infos}
    ]
    assert len(found) == 1
    os.kill(worker, signal.SIGKILL)
    cluster.remove_node(found[0], allow_graceful=False)  # type: ignore[attr-defined]
    (run / "killed.json").write_text(json.dumps({"worker": worker, "step": row.step}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
