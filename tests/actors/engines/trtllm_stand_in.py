"""Answers as `trtllm-serve` of the 1.2 line documents its command line and /v1/completions; runs no model.

Environment: STAND_IN_LOG, a file that gets a JSON line for each thing that happens; STAND_IN_MODE: empty, crash (ends
while it loads), deaf (is never healthy), mortal (ends at a prompt that begins with token 0) or doomed (mortal, and
crashes when it is started again) or late (answers a prompt that begins with token 0 after a minute, unless nobody
waits).
"""

import argparse
import json
import os
import select
import socket
import subprocess
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

MODE, LOG = os.environ.get("STAND_IN_MODE", ""), Path(os.environ["STAND_IN_LOG"])
FIELDS = {
    *("model", "prompt", "max_tokens", "stream", "stream_options", "temperature", "top_p", "top_k", "seed", "stop"),
    *("ignore_eos", "n", "logprobs", "echo", "min_p", "repetition_penalty", "presence_penalty", "frequency_penalty"),
}


def log(**what: object) -> None:
    with LOG.open("a") as file:
        file.write(json.dumps(what) + "\n")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("model")
    parser.add_argument("--host")
    parser.add_argument("--backend", choices=["pytorch", "tensorrt", "_autodeploy"])
    for name in ("port", "tp_size", "pp_size", "max_batch_size", "max_seq_len", "max_num_tokens"):
        parser.add_argument(f"--{name}", type=int)
    parser.add_argument("--kv_cache_free_gpu_memory_fraction", type=float)
    return parser.parse_args()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        self.reply(200 if self.path == "/health" and MODE != "deaf" else 503, {})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        log(request=body)
        if unknown := set(body) - FIELDS:
            self.reply(
                400, {"object": "error", "message": f"extra fields {unknown}", "type": "BadRequest", "code": 400}
            )
        elif body["prompt"][0] == 1:
            self.reply(400, {"object": "error", "message": "token 1 is not liked", "type": "BadRequest", "code": 400})
        elif body["prompt"][0] == 0 and MODE in ("mortal", "doomed"):
            print("CUDA error: an illegal memory access was encountered", flush=True)
            os._exit(9)
        elif body["prompt"][0] == 0 and MODE == "late":
            ready, _, _ = select.select([self.connection], [], [], 60)
            log(left=bool(ready) and not self.connection.recv(1, socket.MSG_PEEK))
            self.close_connection = True
        else:
            self.stream(body["prompt"], body["max_tokens"])

    def reply(self, status: int, body: object) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def stream(self, prompt: list[int], count: int) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        done = 0
        try:
            while done < count:
                done += 1
                time.sleep(0.002)
                end = "length" if done == count else None
                self.event({"choices": [{"index": 0, "text": "云", "finish_reason": end}]}, len(prompt), done)
            self.event({"choices": []}, len(prompt), done)
            self.chunk(b"data: [DONE]\n\n")
            self.chunk(b"")
        except OSError:
            log(aborted=done)
            self.close_connection = True

    def event(self, body: dict[str, object], prompt_tokens: int, tokens: int) -> None:
        usage = {"prompt_tokens": prompt_tokens, "completion_tokens": tokens, "total_tokens": prompt_tokens + tokens}
        self.chunk(f"data: {json.dumps({**body, 'usage': usage})}\n\n".encode())

    def chunk(self, data: bytes) -> None:
        self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")


def main() -> None:
    options = arguments()
    starts = LOG.read_text().count('"started"') if LOG.exists() else 0
    if MODE == "crash" or (MODE == "doomed" and starts):
        print("loading the weights", flush=True)
        sys.exit("RuntimeError: CUDA out of memory")
    # A worker of its own, as MPI starts them, that would outlive it.
    worker = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    log(started=sys.argv, pid=os.getpid(), worker=worker.pid, path=os.environ.get("PYTHONPATH"))
    ThreadingHTTPServer((options.host, options.port), Handler).serve_forever()


main()
