"""The code sandbox: runs Python that nobody has read, in a child process, and says how well it was locked in.

`bubblewrap`  kernel namespaces: no network, a minimal read-only root, a private /tmp, own process ids, no new processes
`rlimits`     resource limits and a guard inside the interpreter: stops accidents, not an attacker

What it does not guarantee: a program can lie about the values it returns (it never sees the expected ones),
`rlimits` shares the machine's file system and kernel interfaces, and neither level bounds memory bandwidth or caches.
"""

from actors.sandbox.limits import Limits
from actors.sandbox.literals import equal, literal_value, parse_literal
from actors.sandbox.results import Call, CallOutcome, SandboxResult
from actors.sandbox.sandbox import Sandbox

__all__ = ["Call", "CallOutcome", "Limits", "Sandbox", "SandboxResult", "equal", "literal_value", "parse_literal"]
