"""Higher-order blocks: a form over a collection (filter, map, count, ...) with a small expression on each item.

In forms, COLLECTION is the collection and BODY the expression on the item, which is written ITEM.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from serve_apps.code_generation.block import Block, table
from serve_apps.code_generation.bodies import BODIES, ITEM

# Kinds of items, and the kind of the collections that hold such items.
_COLLECTIONS = {
    "int": "ints",
    "num": "nums",
    "str": "strs",
    "char": "str",
    "seq": "rows",
    "nums": "grids",
    "dict": "records",
    "any": "iter",
}
_OF_ANYTHING = {
    "list": ("iter",),
    "characters": ("str",),
    "either": ("iter", "str"),
    "keys": ("iter", "str"),
    "dict": ("dict",),
}
_VALUES = ("number", "text", "value")

# What each form goes over: a list (or tuple, set), a text's characters, either, either as keys, numbers, a dictionary's
# values, or the words of a text (by spaces, or at a separator).
_FORMS: tuple[tuple[tuple[str, ...], list[Block]], ...] = (
    (
        ("condition",),
        table(
            r"""
            [ITEM for ITEM in COLLECTION if BODY] ; list ; -
            [ITEM for ITEM in COLLECTION if not (BODY)] ; list ; remove
            "".join(ITEM for ITEM in COLLECTION if BODY) ; characters ; -
            "".join(ITEM for ITEM in COLLECTION if not (BODY)) ; characters ; remove
            sum(1 for ITEM in COLLECTION if BODY) ; either ; count
            all(BODY for ITEM in COLLECTION) ; either ; all
            any(BODY for ITEM in COLLECTION) ; either ; any
            not any(BODY for ITEM in COLLECTION) ; either ; any different
            next((ITEM for ITEM in COLLECTION if BODY), None) ; either ; first
            next((place for place, ITEM in enumerate(COLLECTION) if BODY), -1) ; either ; index
            [place for place, ITEM in enumerate(COLLECTION) if BODY] ; either ; index
            sum(ITEM for ITEM in COLLECTION if BODY) ; numbers ; sum
            [ITEM for ITEM in COLLECTION if BODY] + [ITEM for ITEM in COLLECTION if not (BODY)] ; list ; group
            {{key: ITEM for key, ITEM in COLLECTION.items() if BODY}} ; dict ; keep
            [key for key, ITEM in COLLECTION.items() if BODY] ; dict ; keys
            sum(1 for ITEM in COLLECTION.values() if BODY) ; dict ; count
            [ITEM for ITEM in COLLECTION.split() if BODY] ; words ; words
            " ".join(ITEM for ITEM in COLLECTION.split() if BODY) ; words ; keep words
            " ".join(ITEM for ITEM in COLLECTION.split() if not (BODY)) ; words ; remove words
            sum(1 for ITEM in COLLECTION.split() if BODY) ; words ; count words
            """
        ),
    ),
    (
        _VALUES,
        table(
            r"""
            [BODY for ITEM in COLLECTION] ; either ; -
            tuple(BODY for ITEM in COLLECTION) ; list ; to_tuple
            {{ITEM: BODY for ITEM in COLLECTION}} ; keys ; dictionary
            {{key: BODY for key, ITEM in COLLECTION.items()}} ; dict ; values
            [BODY for ITEM in COLLECTION.split()] ; words ; words
            [BODY for ITEM in COLLECTION.split({1})] ; parts ; split
            """
        ),
    ),
    (
        _VALUES,
        table(
            r"""
            max(COLLECTION, key=lambda ITEM: BODY) ; either ; maximum
            min(COLLECTION, key=lambda ITEM: BODY) ; either ; minimum
            sorted(COLLECTION, key=lambda ITEM: BODY) ; list ; sort
            sorted(COLLECTION, key=lambda ITEM: BODY, reverse=True) ; list ; sort descending
            """,
            cost=2,
        ),
    ),
    (
        ("number",),
        table(
            r"""
            sum(BODY for ITEM in COLLECTION) ; either ; sum
            max(BODY for ITEM in COLLECTION) ; either ; maximum
            min(BODY for ITEM in COLLECTION) ; either ; minimum
            """
        ),
    ),
    (
        ("text",),
        table(
            r"""
            "".join(BODY for ITEM in COLLECTION) ; characters ; -
            " ".join(BODY for ITEM in COLLECTION.split()) ; words ; words
            """
        ),
    ),
)

# Two collections side by side, or one and its own following items: forms for values, forms for conditions, bodies.
_PAIR_FORMS = table(
    r"""
    [BODY for a, b in zip({0}, {1})] ; two ; elementwise
    tuple(BODY for a, b in zip({0}, {1})) ; two ; elementwise
    sum(BODY for a, b in zip({0}, {1})) ; two ; sum
    [BODY for a, b in zip({0}, {0}[1:])] ; one ; neighbours
    tuple(BODY for a, b in zip({0}, {0}[1:])) ; one ; neighbours
    """
)
_PAIR_CONDITION_FORMS = table(
    r"""
    all(BODY for a, b in zip({0}, {1})) ; two ; all
    any(BODY for a, b in zip({0}, {1})) ; two ; any
    sum(BODY for a, b in zip({0}, {1})) ; two ; count
    all(BODY for a, b in zip({0}, {0}[1:])) ; one ; neighbours
    sum(BODY for a, b in zip({0}, {0}[1:])) ; one ; neighbours
    """
)
_PAIR_BODIES = table(
    r"""
    a + b ; nums ; add
    a - b ; nums ; subtract
    a * b ; nums ; multiply
    a / b ; nums ; divide
    a // b ; nums ; divide
    a % b ; nums ; modulo
    a ** b ; nums ; power
    abs(a - b) ; nums ; difference_set
    max(a, b) ; nums ; maximum
    min(a, b) ; nums ; minimum
    """
)
_PAIR_CONDITIONS = table(
    r"""
    a == b ; seq ; equal
    a != b ; seq ; different
    a < b ; nums ; less
    a > b ; nums ; greater
    """
)


def higher_order(bodies: Iterable[Block] = ()) -> Iterator[Block]:
    """Every form with every fitting body; `bodies` are those beyond the built-in ones."""
    every = (*BODIES, *bodies)
    for wanted, forms in _FORMS:
        for form in forms:
            for body in every:
                if body.gives in wanted:
                    yield from _fill(form, body)
    for forms, pair_bodies in ((_PAIR_FORMS, _PAIR_BODIES), (_PAIR_CONDITION_FORMS, _PAIR_CONDITIONS)):
        for form in forms:
            for body in pair_bodies:
                takes = body.takes * (2 if form.takes == ("two",) else 1)
                yield Block(form.expression.replace("BODY", body.expression), takes, form.concepts | body.concepts, 2)


def _fill(form: Block, body: Block) -> Iterator[Block]:
    """The blocks of one form with one body, one for each kind of collection that fits both."""
    separator = "{1}" in form.expression  # the form's own further argument comes before the body's
    inner = body.expression.replace("{2}", "{3}").replace("{1}", "{2}") if separator else body.expression
    expression = form.expression.replace("BODY", inner).replace("ITEM", ITEM).replace("COLLECTION", "{0}")
    further = (*(("str",) if separator else ()), *body.takes[1:])
    for collection in _collections(form.takes[0], body.takes[0]):
        yield Block(expression, (collection, *further), form.concepts | body.concepts, form.cost + body.cost)


def _collections(form: str, item: str) -> tuple[str, ...]:
    """Which kinds of collections of items of kind `item` a form can go over."""
    if form in ("words", "parts"):
        return ("str",) if item == "str" else ()
    if item == "char":
        return ("str",) if form in ("characters", "either", "keys") else ()
    if item == "any":
        return _OF_ANYTHING.get(form, ())
    if form == "dict":
        return (f"dict_{_COLLECTIONS[item]}",)
    if form == "keys" and item == "dict":  # records can't be keys
        return ()
    fits = form in ("list", "either", "keys") or (form == "numbers" and item in ("int", "num"))
    return (_COLLECTIONS[item],) if fits else ()
