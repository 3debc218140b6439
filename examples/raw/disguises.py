"""Disguises: the same document as it comes out of the wild. What it says stays, so a cleaner should keep it.

Every disguise is a function (text, rng) -> text.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from functools import cache
from random import Random

import ftfy
import ftfy.bad_codecs  # registers sloppy-windows-1252
import opencc

from examples.raw.sentences import fill, read_lines

Disguise = Callable[[str, Random], str]
_HALF_WIDTH = str.maketrans("，。！？：；（）", ",.!?:;()")
_FULL_WIDTH = {ord(c): chr(ord(c) + 0xFEE0) for c in "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz%"}
_SENTENCE_END = re.compile(r"(?<=[。！？])")


def plain(text: str, rng: Random) -> str:
    """The text as it is."""
    return text


def markup(text: str, rng: Random) -> str:
    """Left-over HTML: tags, entities, a tracking script."""
    style = rng.choice(['<p class="content">', "<p>", '<div style="font-size:14px">', "<section>"])
    tag = re.match(r"<(\w+)", style)
    assert tag is not None
    end = f"</{tag[1]}>"
    joint = rng.choice(["&nbsp;", "<br/>", "&emsp;", "<br>\n", f"{end}\n{style}"])
    sentences = [html.escape(part, quote=False) for part in split_sentences(text)]
    body = style + joint.join(sentences) + end
    if rng.random() < 0.3:
        body += f'\n<script>track("pageview",{rng.randint(1000, 9999)});</script>'
    return body.replace("“", "&ldquo;").replace("”", "&rdquo;") if rng.random() < 0.5 else body


def boilerplate(text: str, rng: Random) -> str:
    """Lines of a web page around the text: sharing, copyright, advertising."""
    lines = rng.sample(read_lines("boilerplate"), rng.randint(1, 3))
    before = [fill(line, rng) for line in lines[1:]]
    return "\n".join([*before, text, fill(lines[0], rng)])


def mojibake(text: str, rng: Random) -> str:
    """UTF-8 read as Windows-1252; the text unchanged where that can't be undone."""
    broken = text.encode("utf-8").decode("sloppy-windows-1252")
    return broken if ftfy.fix_encoding(broken) == text else text


def traditional(text: str, rng: Random) -> str:
    """Traditional characters; the text unchanged where the way back is another one."""
    variant = _converter("s2t").convert(text)
    return variant if _converter("t2s").convert(variant) == text else text


def spacing(text: str, rng: Random) -> str:
    """Other white space and other widths of punctuation, letters and digits."""
    changes = [_half_width, _full_width, _indent, _scatter]
    rng.shuffle(changes)
    return next(changed for change in changes if (changed := change(text, rng)) != text)


def _half_width(text: str, rng: Random) -> str:
    return text.translate(_HALF_WIDTH)


def _full_width(text: str, rng: Random) -> str:
    return text.translate(_FULL_WIDTH)


def _indent(text: str, rng: Random) -> str:
    return "\n".join("\u3000\u3000" + line + "  " for line in text.split("\n"))


def _scatter(text: str, rng: Random) -> str:
    return "".join(part + rng.choice([" ", "  ", "\u3000", "\t"]) for part in split_sentences(text)).rstrip()


def contact(text: str, rng: Random) -> str:
    """A last line with a (made-up) person's name, phone number and mail address."""
    name = rng.choice("王李张刘陈杨赵周") + rng.choice(["先生", "女士", "老师", "经理"])
    phone = f"1{rng.choice('3578')}{rng.randint(0, 9)}{rng.randint(0, 99_999_999):08d}"
    return f"{text}\n联系人：{name}，电话 {phone}，邮箱 user{rng.randint(100, 999)}@example.com"


def split_sentences(text: str) -> list[str]:
    """The sentences of a text with their end marks; line breaks stay with the sentence after them."""
    return [part for part in _SENTENCE_END.split(text) if part]


@cache
def _converter(direction: str) -> opencc.OpenCC:
    return opencc.OpenCC(direction)
