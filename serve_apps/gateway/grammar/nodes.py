"""What a parsed JSON schema is made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from serve_apps.gateway.grammar.pattern import Pattern


@dataclass(frozen=True)
class AnyValue:
    """Whatever JSON can say."""


@dataclass(frozen=True)
class AnyObject:
    """Any object."""


@dataclass(frozen=True)
class Boolean:
    """true or false."""


@dataclass(frozen=True)
class Number:
    """A number, with whole-numbered limits where it has any."""

    whole: bool
    least: int | None = None
    most: int | None = None


@dataclass(frozen=True)
class String:
    """A string, of a length in characters or of a pattern."""

    least: int = 0
    most: int | None = None
    pattern: Pattern | None = None


@dataclass(frozen=True)
class Values:
    """One of some values (`enum`, `const`, `null`), as JSON texts."""

    texts: tuple[str, ...]


@dataclass(frozen=True)
class Array:
    """An array: its first items, then any number of others."""

    first: tuple[Node, ...]
    rest: Node | None
    least: int
    most: int | None


@dataclass(frozen=True)
class Property:
    """A property of an object."""

    name: str
    node: Node
    required: bool


@dataclass(frozen=True)
class Object:
    """An object with named properties; `others` None forbids further ones."""

    properties: tuple[Property, ...]
    others: Node | None


@dataclass(frozen=True)
class Union:
    """One of several; `exactly` means that no two of them may fit."""

    options: tuple[Node, ...]
    exactly: bool = False


@dataclass(frozen=True)
class Reference:
    """Another place of the same schema."""

    place: str


Node = AnyValue | AnyObject | Boolean | Number | String | Values | Array | Object | Union | Reference


@dataclass(frozen=True)
class Schema:
    """A parsed schema: its root, and the places that references name."""

    root: Node
    places: Mapping[str, Node] = field(default_factory=dict)
