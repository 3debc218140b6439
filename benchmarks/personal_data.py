"""How well personal data is found among numbers that look like it, and what looking costs.

    python -m benchmarks personal_data

Precision and recall on a generated set: valid numbers in sentences, in the forms in which people write them, among as
many traps (orders, serial numbers, versions, decimals, web addresses, hotlines). It shows what the rules do with forms
that somebody thought of; the examples from the news, printed below, show the rest. The news lie in DANLU_DATA.
"""

from __future__ import annotations

import os
import random
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from pipelines.cleaning.id_cards import check_character
from pipelines.cleaning.pii import KINDS, find_pii

REPOSITORY = Path(__file__).resolve().parent.parent
_SENTENCES = ("请联系{}，谢谢。", "登记的是{}（已核对）", "详情：{}\n", "他报的是 {} 。", "{}", "王女士{}、李先生没有")
_DOCUMENTS, _SHOWN = 3000, 3


def _digits(random_: random.Random, count: int) -> str:
    return "".join(random_.choices("0123456789", k=count))


def _luhn(body: str) -> str:
    total = sum(sum(map(int, str(int(d) * (1 + (place % 2 == 0))))) for place, d in enumerate(reversed(body)))
    return body + str(-total % 10)


def _grouped(number: str, random_: random.Random, size: int = 4) -> str:
    separator = random_.choice(["", " ", "-"])
    return separator.join(number[start : start + size] for start in range(0, len(number), size))


def _date(random_: random.Random) -> str:
    return f"{random_.randint(1940, 2015)}{random_.randint(1, 12):02d}{random_.randint(1, 28):02d}"


def _id_card(random_: random.Random) -> str:
    body = random_.choice(["110101", "320106", "441900", "510104", "652301"]) + _date(random_) + _digits(random_, 3)
    return body + check_character(body)


def _bank_card(random_: random.Random) -> str:
    prefix, length = random_.choice([("622202", 19), ("621700", 16), ("4", 16), ("52", 16), ("37", 15)])
    number = _luhn(prefix + _digits(random_, length - len(prefix) - 1))
    return number if length == 15 else _grouped(number, random_)


def _mobile(random_: random.Random) -> str:
    number = f"1{random_.randint(3, 9)}{_digits(random_, 9)}"
    separator = random_.choice(["", "", " ", "-"])
    return random_.choice(["", "", "+86 ", "0086-"]) + separator.join((number[:3], number[3:7], number[7:]))


def _landline(random_: random.Random) -> str:
    area, size = random_.choice([("010", 7), ("021", 7), ("0731", 7), ("0372", 6)])
    number = f"{random_.randint(2, 8)}{_digits(random_, size)}"
    return random_.choice([f"{area}-{number}", f"（{area}）{number}", f"{area} {number}"])


def _email(random_: random.Random) -> str:
    domain = random_.choice(["qq.com", "mail.a.com.cn"])
    return f"{random_.choice(['wang', 'li.si', '88'])}{_digits(random_, 3)}@{domain}"


def _ip(random_: random.Random) -> str:
    return f"{random_.choice([114, 121, 223])}.{'.'.join(str(random_.randint(0, 255)) for _ in range(3))}"


MAKERS: dict[str, Callable[[random.Random], str]] = {
    "id_card": _id_card,
    "bank_card": _bank_card,
    "mobile": _mobile,
    "landline": _landline,
    "email": _email,
    "ip": _ip,
}
TRAPS: tuple[Callable[[random.Random], str], ...] = (
    lambda r: f"订单号{_date(r)}{_digits(r, 10)}",
    lambda r: _digits(r, r.choice([12, 13, 16, 18, 19, 20])),
    lambda r: f"https://news.example.cn/a/{_mobile(r)[-11:]}.html",
    lambda r: f"{r.randint(0, 9)}.1{r.randint(3, 9)}{_digits(r, 9)}",
    lambda r: f"版本{r.randint(1, 20)}.{r.randint(0, 9)}.{r.randint(0, 200)}.{r.randint(0, 200)}",
    lambda r: f"{r.randint(1, 9)}.{r.randint(1, 9)}.{r.randint(1, 9)}.{r.randint(1, 9)} 小结",
    lambda r: f"400-{_digits(r, 3)}-{_digits(r, 4)}",
    lambda r: f"ISBN 978-7-{_digits(r, 4)}-{_digits(r, 4)}-{_digits(r, 1)}",
    lambda r: f"证监立案字00{_digits(r, 8)}号",
    lambda r: f"192.168.{r.randint(0, 9)}.{r.randint(1, 200)}",
)


def labelled(seed: int, count: int) -> list[tuple[str, str | None]]:
    """(text, the kind that it holds or None for a trap), as many of each."""
    random_ = random.Random(seed)
    rows: list[tuple[str, str | None]] = []
    for number in range(count):
        kind = list(MAKERS)[number % len(MAKERS)]
        for label, value in ((kind, MAKERS[kind](random_)), (None, TRAPS[number % len(TRAPS)](random_))):
            rows.append((random_.choice(_SENTENCES).format(value), label))
    return rows


def score(rows: Sequence[tuple[str, str | None]]) -> None:
    """Print precision and recall for each kind."""
    right, found, there = Counter[str](), Counter[str](), Counter[str]()
    for text, label in rows:
        there.update([label] if label else [])
        kinds = [match.kind for match in find_pii(text, KINDS)]
        found.update(kinds)
        right.update(kind for kind in kinds[:1] if kind == label)
    print(f"{'kind':10} {'texts':>6} {'precision':>10} {'recall':>7}")
    for kind in MAKERS:
        print(f"{kind:10} {there[kind]:6} {right[kind] / max(found[kind], 1):10.4f} {right[kind] / there[kind]:7.4f}")


def look_at(documents: Sequence[str]) -> None:
    """Print what looking costs and a few of the finds."""
    quiet = [document for document in documents if not find_pii(document, KINDS)]
    default = [kind for kind in KINDS if kind != "address"]
    for name, some in (("all documents", documents), ("documents without any", quiet)):
        began = time.process_time()
        for document in some:
            find_pii(document, default)
        print(f"{name}: {1e6 * (time.process_time() - began) / len(some):.1f} µs each ({len(some):,})")
    shown = Counter[str]()
    for document in documents:
        for match in find_pii(document, KINDS):
            shown[match.kind] += 1
            if shown[match.kind] <= _SHOWN:
                print(f"  {match.kind}: …{document[max(match.start - 12, 0) : match.end]}")


def main() -> None:
    score(labelled(seed=1, count=_DOCUMENTS))
    news = Path(os.environ.get("DANLU_DATA", REPOSITORY.parent / "shared" / "data")) / "chinese_news"
    files = sorted(news.glob("documents_*.txt"))
    if files:
        look_at([line for file in files for line in file.read_text(encoding="utf-8").splitlines()])


if __name__ == "__main__":
    main()
