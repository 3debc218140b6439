"""Whether the values of a JSON schema can come to an end."""

from __future__ import annotations

from serve_apps.gateway.grammar.nodes import Array, Node, Object, Reference, Schema, Union
from serve_apps.gateway.grammar.refusals import refuse


def check_ends(schema: Schema) -> None:
    """Refuse references that only lead back to themselves, and values that could never be complete."""
    ending: set[str] = set()
    while True:
        more = {place for place, node in schema.places.items() if place not in ending and _can_end(node, ending)}
        if not more:
            break
        ending |= more
    if not _can_end(schema.root, ending):
        refuse("#", "no value can be complete: every one has to hold another one")
    for place in schema.places:
        if place not in ending:
            refuse(place, "no value can be complete: every one has to hold another one")
        _check_guarded(place, schema)


def _can_end(node: Node, ending: set[str]) -> bool:
    match node:
        case Reference(place):
            return place in ending
        case Union(options):
            return any(_can_end(option, ending) for option in options)
        case Object(properties):
            return all(_can_end(part.node, ending) for part in properties if part.required)
        case Array(first, rest, least):
            needed = first[:least] if rest is None else (*first[:least], *([rest] if least > len(first) else []))
            return all(_can_end(part, ending) for part in needed)
        case _:
            return True


def _check_guarded(start: str, schema: Schema) -> None:
    """A place must not be its own first step: the grammar would go round in circles without a character."""
    waiting, seen = [schema.places[start]], set()
    while waiting:
        node = waiting.pop()
        if isinstance(node, Union):
            waiting.extend(node.options)
        if isinstance(node, Reference):
            if node.place == start:
                refuse(start, "the reference leads back to itself")
            if node.place not in seen:
                seen.add(node.place)
                waiting.append(schema.places[node.place])
