import io
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from danlu.errors import InputError
from pipelines.knowledge.documents import Document, Fields, Rejected, decode, document_ids, read_documents


def read(path: Path, content: bytes | str) -> list[Document | Rejected]:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return list(read_documents(str(path), path.stem, Fields()))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "gb18030", "gbk"])
def test_decode(encoding: str) -> None:
    assert decode("银行卡挂失".encode(encoding)) == "银行卡挂失"


def test_text_in_gb18030(tmp_path: Path) -> None:
    assert read(tmp_path / "a.txt", "银行卡挂失".encode("gb18030")) == [Document("a", "银行卡挂失", "a")]


def test_html_loses_its_frame(tmp_path: Path) -> None:
    body = "<p>" + "卡片遗失后请立即挂失，避免资金损失。拨打客服热线可以办理口头挂失，有效期五天。" * 3 + "</p>"
    page = (
        f"<html><body><nav><a>登录</a></nav><article><h1>挂失</h1>{body}</article><footer>版权</footer></body></html>"
    )
    (document,) = read(tmp_path / "a.html", page)
    assert isinstance(document, Document)
    assert "口头挂失" in document.text
    assert "登录" not in document.text


def test_word_document_keeps_headings_and_tables(tmp_path: Path) -> None:
    import docx

    word = docx.Document()
    word.add_heading("挂失", level=1)
    word.add_paragraph("立即生效。")
    table = word.add_table(rows=1, cols=2)
    table.rows[0].cells[0].text, table.rows[0].cells[1].text = "金卡", "免费"
    stream = io.BytesIO()
    word.save(stream)
    (document,) = read(tmp_path / "a.docx", stream.getvalue())
    assert isinstance(document, Document)
    assert document.text == "# 挂失\n\n立即生效。\n\n| 金卡 | 免费 |"


def test_pdf_text(tmp_path: Path) -> None:
    (document,) = read(tmp_path / "a.pdf", chinese_pdf("银行卡挂失立即生效。"))
    assert document == Document("a", "银行卡挂失立即生效。", "a")


def chinese_pdf(text: str) -> bytes:
    """A one-page PDF that, as many Chinese ones do, names its font without embedding it."""
    page = f"BT /F1 12 Tf 50 800 Td <{text.encode('utf-16-be').hex()}> Tj ET"
    objects = [
        "<< /Type /Catalog /Pages 2 0 R >>",
        "<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        "<< /Type /Page /Parent 2 0 R /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> >> >>",
        f"<< /Length {len(page)} >>\nstream\n{page}\nendstream",
        "<< /Type /Font /Subtype /Type0 /BaseFont /STSong-Light /Encoding /UniGB-UCS2-H /DescendantFonts [6 0 R] >>",
        "<< /Type /Font /Subtype /CIDFontType0 /BaseFont /STSong-Light"
        " /CIDSystemInfo << /Registry (Adobe) /Ordering (GB1) /Supplement 4 >> >>",
    ]
    content, offsets = b"%PDF-1.4\n", []
    for number, body in enumerate(objects, start=1):
        offsets.append(len(content))
        content += f"{number} 0 obj\n{body}\nendobj\n".encode()
    table = "".join(f"{offset:010d} 00000 n \n" for offset in offsets)
    end = f"xref\n0 7\n0000000000 65535 f \n{table}trailer << /Size 7 /Root 1 0 R >>\nstartxref\n{len(content)}\n%%EOF"
    return content + end.encode()


@pytest.mark.parametrize("suffix", ["pdf", "docx"])
def test_a_broken_file_is_rejected_with_its_reason(tmp_path: Path, suffix: str) -> None:
    (rejected,) = read(tmp_path / f"a.{suffix}", b"not what it says")
    assert isinstance(rejected, Rejected)
    assert f"unreadable {suffix}" in rejected.reason


def test_rows_of_a_table(tmp_path: Path) -> None:
    pq.write_table(pa.table({"text": ["甲", None, "乙"], "title": ["T", "", None]}), tmp_path / "t.parquet")
    assert list(read_documents(str(tmp_path / "t.parquet"), "t", Fields())) == [
        Document("t#1", "甲", "T"),
        Rejected("t#2", "no text"),
        Document("t#3", "乙", "t#3"),
    ]


def test_json_lines_with_bad_rows(tmp_path: Path) -> None:
    rows = [json.dumps({"id": 1, "text": "甲"}), "{broken", "[1]", "", json.dumps({"id": 1, "text": "乙"})]
    found = read(tmp_path / "t.jsonl", "\n".join(rows))
    assert found[0] == Document("1", "甲", "1")
    reasons = [(r.id, r.reason.split(":")[0]) for r in found if isinstance(r, Rejected)]
    assert reasons == [
        ("t#2", "no valid JSON"),
        ("t#3", "a JSON list, not an object"),
        ("1", "another row of the same file has this id"),
    ]


def test_a_table_without_the_text_column_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no column 'text'.*its columns are body"):
        read(tmp_path / "t.jsonl", json.dumps({"body": "甲"}))


def test_ids_are_names_unless_two_are_the_same() -> None:
    assert document_ids(["/a/x.md", "/b/x.md", "/b/y.md"]) == {
        "/a/x.md": "/a/x.md",
        "/b/x.md": "/b/x.md",
        "/b/y.md": "y",
    }
