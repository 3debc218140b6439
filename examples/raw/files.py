"""The raw files: one writer for each kind, all byte-identical for the same documents."""

from __future__ import annotations

import csv
import gzip
import html
import io
import json
from collections.abc import Sequence
from pathlib import Path

Row = tuple[str, str]  # (id, text)

_PAGE = """<!DOCTYPE html>
<html lang="zh-CN">
<head><meta charset="utf-8"><title>{title}</title><style>body {{ margin: 0 }}</style></head>
<body>
<nav><a href="/">首页</a> <a href="/news">资讯</a> <a href="/about">关于我们</a></nav>
<article>
<h1>{title}</h1>
{paragraphs}
</article>
<script>window.page = {{"id": {number}}};</script>
<footer>版权所有 example.com　联系我们　网站地图</footer>
</body>
</html>
"""


def write_jsonl(path: Path, rows: Sequence[Row]) -> None:
    """A JSON object with id, text and url for each line; gzipped when the name ends with `.gz`."""
    lines = (json.dumps({"id": i, "text": t, "url": _url(i)}, ensure_ascii=False) for i, t in rows)
    data = "".join(line + "\n" for line in lines).encode("utf-8")
    path.write_bytes(gzip.compress(data, mtime=0) if path.suffix == ".gz" else data)


def write_csv(path: Path, rows: Sequence[Row]) -> None:
    """Comma separated with a header; line breaks inside quoted fields."""
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer)
    writer.writerow(["id", "text", "url"])
    writer.writerows((i, t, _url(i)) for i, t in rows)
    path.write_bytes(buffer.getvalue().encode("utf-8"))


def write_parquet(path: Path, rows: Sequence[Row]) -> None:
    """Columns id, text and url."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    ids, texts = [i for i, _ in rows], [t for _, t in rows]
    pq.write_table(pa.table({"id": ids, "text": texts, "url": [_url(i) for i in ids]}), path)


def write_lines(path: Path, texts: Sequence[str], encoding: str) -> None:
    """A document for each line, in `encoding`."""
    path.write_bytes("".join(text + "\n" for text in texts).encode(encoding))


def write_page(path: Path, text: str, number: int) -> None:
    """A web page around the document: navigation, script and footer; the title is its first words."""
    paragraphs = "\n".join(f"<p>{html.escape(part)}</p>" for part in text.split("\n"))
    title = html.escape(text[:12].replace("\n", ""))
    path.write_text(_PAGE.format(title=title, paragraphs=paragraphs, number=number), encoding="utf-8", newline="\n")


def _url(identifier: str) -> str:
    return f"https://news.example.com/{identifier}"
