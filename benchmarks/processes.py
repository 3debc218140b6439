"""What a command costs: CPU time and memory of its whole process tree, sampled while it runs."""

from __future__ import annotations

import resource
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import psutil

_POLL_S = 0.1
# CPU times of /proc count in ticks of 10 ms; a process is known by number and start, since numbers come again.
_Key = tuple[int, float]


@dataclass(frozen=True)
class Cost:
    """seconds: on the clock. cpu_s: user and system time of all processes. driver_peak_bytes: resident memory of the
    command's own process. worker_peak_bytes: that of the largest of its `workers`. workers: processes counted as such.
    """

    seconds: float
    cpu_s: float
    driver_peak_bytes: int
    worker_peak_bytes: int
    workers: int


@dataclass
class _Sampler:
    """Follows a tree. A process that left the tree (a daemon) or ended keeps the time seen last."""

    root: psutil.Process
    worker_mark: str
    known: dict[_Key, psutil.Process] = field(default_factory=dict)
    cpu_s: dict[_Key, float] = field(default_factory=dict)
    peaks: dict[_Key, int] = field(default_factory=dict)
    workers: set[_Key] = field(default_factory=set)

    def look(self) -> None:
        for process in self._members():
            try:
                with process.oneshot():
                    times, memory = process.cpu_times(), process.memory_info().rss
                    line = process.cmdline() if self.worker_mark else []
            except psutil.Error:
                continue
            key = (process.pid, process.create_time())
            self.cpu_s[key] = times.user + times.system
            self.peaks[key] = max(self.peaks.get(key, 0), memory)
            if line and line[0].startswith(self.worker_mark):  # Ray's workers rename themselves
                self.workers.add(key)

    def _members(self) -> list[psutil.Process]:
        try:
            found = [self.root, *self.root.children(recursive=True)]
        except psutil.Error:
            found = []
        self.known.update({(process.pid, process.create_time()): process for process in found})
        return list(self.known.values())


def measure_command(
    command: Sequence[str],
    environment: Mapping[str, str],
    *,
    folder: str | None = None,
    log: str,
    worker_mark: str = "ray::",
) -> Cost:
    """Run a command and measure it.

    The time of a process that starts and ends between two looks (0.1 s) is missed by sampling, but the kernel adds
    it up for parents that wait; the larger of the two sums is taken.

    Args:
        log: file for what the command says.
        worker_mark: beginning of the command line of the processes that are its workers.

    Raises:
        RuntimeError: it failed; the end of what it said is in the message.
    """
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    with open(log, "wb") as said:
        child = subprocess.Popen(command, env=dict(environment), cwd=folder, stdout=said, stderr=subprocess.STDOUT)
        sampler = _Sampler(psutil.Process(child.pid), worker_mark)
        while child.poll() is None:
            sampler.look()
            time.sleep(_POLL_S)
    seconds, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    if child.returncode:
        with open(log, encoding="utf-8", errors="replace") as said:
            raise RuntimeError(f"{' '.join(command)} ended with {child.returncode}:\n{said.read()[-2000:]}")
    waited_for = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    driver = next(key for key in sampler.peaks if key[0] == child.pid)
    return Cost(
        seconds=seconds,
        cpu_s=max(waited_for, sum(sampler.cpu_s.values())),
        driver_peak_bytes=sampler.peaks[driver],
        worker_peak_bytes=max((sampler.peaks[key] for key in sampler.workers), default=0),
        workers=len(sampler.workers),
    )
