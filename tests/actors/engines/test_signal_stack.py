"""In a process of their own: what these tests guard against is its end."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from actors.engines.openvino_folder import openvino_folder

PROGRAM = """
import faulthandler, signal, sys
from pathlib import Path
from actors.engines.openvino_engine import OpenVinoModel, OpenVinoSettings
from actors.engines.model_files import read_config
from pipelines.compression.network import Network

faulthandler.enable()  # it gives the main thread a signal stack, as Ray does
folder = Path(sys.argv[1])
first, second = Network(folder, 1), Network(folder, 1)
engine = OpenVinoModel(folder, read_config(folder), OpenVinoSettings(threads=1))
engine.load()
del first
engine.close()
del second
signal.signal(signal.SIGINT, lambda *_: print("handled"))
signal.raise_signal(signal.SIGINT)
"""


def test_signals_are_handled_after_models_have_come_and_gone(checkpoint: Path) -> None:
    """Ctrl-C while a model was compressed ended in a segmentation fault."""
    program = [sys.executable, "-c", PROGRAM, str(openvino_folder(checkpoint))]
    result = subprocess.run(program, capture_output=True, text=True, timeout=120)
    assert (result.returncode, result.stdout.strip()) == (0, "handled"), result.stderr
