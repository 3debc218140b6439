import itertools

from hypothesis import given
from hypothesis import strategies as st

from pipelines.knowledge.chunking import chunk_document, pack

texts = st.text(alphabet=st.sampled_from("挂失卡费。！？；，、\n .5a\t“”）"), max_size=400)


@given(texts, st.integers(20, 80), st.integers(0, 40))
def test_chunks_cover_the_text_and_are_bounded(text: str, characters: int, overlap: int) -> None:
    spans = pack(text, 0, len(text), characters, min(overlap, characters // 2))
    covered = {i for a, b in spans for i in range(a, b)}
    assert all(text[i].isspace() for i in range(len(text)) if i not in covered)
    assert all(0 < b - a <= characters for a, b in spans)
    assert all(text[a:b] == text[a:b].strip() for a, b in spans)


@given(texts, st.integers(20, 80), st.integers(0, 40))
def test_chunks_move_forward_and_overlap_no_more_than_asked(text: str, characters: int, overlap: int) -> None:
    overlap = min(overlap, characters // 2)
    spans = pack(text, 0, len(text), characters, overlap)
    for (start, end), (following, last) in itertools.pairwise(spans):
        assert start < following
        assert end < last
        assert end - following <= overlap


def test_no_overlap_means_no_repetition() -> None:
    text = "一二三四五六七八九。" * 10
    spans = pack(text, 0, len(text), 20, 0)
    assert "".join(text[a:b] for a, b in spans) == text


def test_overlap_repeats_whole_sentences() -> None:
    text = "甲甲甲甲。乙乙乙乙。丙丙丙丙。丁丁丁丁。"
    assert [text[a:b] for a, b in pack(text, 0, len(text), 10, 5)] == [
        "甲甲甲甲。乙乙乙乙。",
        "乙乙乙乙。丙丙丙丙。",
        "丙丙丙丙。丁丁丁丁。",
    ]


def test_chunks_are_stretches_of_the_document() -> None:
    text = "# 题\n\n正文第一句。正文第二句。\n\n## 问答\n**问：** 甲？\n**答：** 乙。"
    chunks = chunk_document(text, "x", 20, 0)
    assert [(c.kind, c.heading) for c in chunks] == [("text", ""), ("faq", "问答")]
    assert all(c.text == text[c.start : c.end] and c.title == "题" for c in chunks)
    assert (chunks[1].question, chunks[1].answer) == ("甲？", "乙。")


def test_a_very_long_answer_is_cut_like_text() -> None:
    chunks = chunk_document("**问：** 甲？\n**答：** " + "很长的话。" * 50, "x", 40, 0)
    assert {c.kind for c in chunks} == {"text"}
    assert all(len(c.text) <= 40 for c in chunks)
