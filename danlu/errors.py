"""The exceptions that danlu raises for what a user can mend.

    DanluError
    ├── ConfigError         a key, a value or a combination of values is wrong
    ├── InputError          a file is missing, empty or unreadable
    ├── ResourceError       the machine or the cluster is too small, or a port is taken
    ├── NotAvailableError   asked for something that this installation does not offer
    └── RunError            a run could not go on or did not hold its own checks

Each is printed as one message without a traceback: what was given, the rule, and the fix.
Everything else that escapes is a bug in danlu and keeps its traceback.
"""

from __future__ import annotations


class DanluError(Exception):
    """Base of all errors a user can mend.

    Args:
        what: what is wrong, naming the key and the value (``parallel.data is 4``).
        rule: the rule that it breaks, with both numbers where there are two.
        fix: what to do about it.
    """

    exit_code = 1

    def __init__(self, what: str, *, rule: str = "", fix: str = "") -> None:
        super().__init__(what, rule, fix)
        self.what = what
        self.rule = rule
        self.fix = fix

    def __str__(self) -> str:
        lines = [self.what if not self.rule else f"{self.what}: {self.rule}"]
        if self.fix:
            lines.append(f"Fix: {self.fix}")
        return "\n".join(lines)

    def __reduce__(self) -> tuple[object, ...]:
        # Errors cross process borders (Ray pickles them): keyword arguments have to survive.
        return _rebuild, (type(self), self.what, self.rule, self.fix)


def _rebuild(kind: type[DanluError], what: str, rule: str, fix: str) -> DanluError:
    return kind(what, rule=rule, fix=fix)


class ConfigError(DanluError):
    """A key, a value or a combination of values in a config is wrong."""

    exit_code = 2


class InputError(DanluError):
    """An input file is missing, empty or unreadable."""

    exit_code = 2


class ResourceError(DanluError):
    """The machine or the cluster lacks CPUs, memory, disk or a free port."""


class NotAvailableError(DanluError):
    """A part that this installation or this version does not offer, with the reason."""


class RunError(DanluError):
    """A run could not go on, or one of its own checks did not hold."""
