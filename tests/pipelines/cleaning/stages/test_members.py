"""Documents of a pack, fetched from the shards that they lie in; and what the comparisons make of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from pipelines.cleaning import store
from pipelines.cleaning.config import NearConfig, SemanticConfig
from pipelines.cleaning.keys import comparison_key
from pipelines.cleaning.layout import Layout
from pipelines.cleaning.minhash import SKETCH_SIZE, shingles, shorten, sketch
from pipelines.cleaning.packs import Pack, pack_groups
from pipelines.cleaning.stages.members import read_members
from pipelines.cleaning.stages.near import VerifyNear
from pipelines.cleaning.stages.semantic import VerifySemantic

NOTICE = (
    "原标题：{company}股份有限公司临时股东大会决议公告。会议于2023年{month}月{day}日在{city}市召开，由董事长{chairman}先生主持，"
    "出席会议的股东和代理人共{people}人，会议的召集、召开和表决符合有关法律和章程的规定，各项议案均获得通过。"
)
TEXTS = {
    "0": [
        NOTICE.format(company="永茂汽车科技", month=8, day=9, city="上海", chairman="徐宏", people=17),
        "银行卡丢失后请立即挂失，随后带着身份证到任意网点补办，新卡三个工作日寄到。",
    ],
    "1": [
        NOTICE.format(company="天鹅棉业机械", month=7, day=31, city="潍坊", chairman="王新亭", people=23),
        NOTICE.format(company="永茂汽车科技", month=8, day=9, city="上海", chairman="徐宏", people=17) + "特此公告。",
    ],
}


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    """Two shards; the embedding of every notice is the same."""
    layout = Layout(str(tmp_path))
    for place, (shard, texts) in enumerate(TEXTS.items()):
        sketches = np.stack([shorten(sketch(shingles(comparison_key(text)))) for text in texts])
        table = {
            "id": [f"{shard}-{row}" for row in range(len(texts))],
            "quality": pa.array([0.5 + place / 4, 0.6], pa.float32()),
            "length": list(map(len, texts)),
            "text": texts,
            "sketch": store.binary(sketches),
        }
        store.write_table(layout.texts(shard), pa.table(table))
        vectors = np.eye(4, dtype=np.float32)[[0 if "公告" in text else 1 for text in texts]]
        column = pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), 4)
        store.write_table(layout.vectors(shard), pa.table({"row": pa.array([0, 1], pa.int32()), "vector": column}))
    return layout


def pack_of(*rows: tuple[int, int]) -> Pack:
    (pack,) = pack_groups([np.array([(place << 32) + row for place, row in rows])], list(TEXTS))
    return pack


def test_members_come_with_text_and_standing_by_their_number(layout: Layout) -> None:
    members = read_members(pack_of((0, 1), (1, 0)), layout)
    assert members.texts == {1: TEXTS["0"][1], 1 << 32: TEXTS["1"][0]}
    assert members.standing[1 << 32].id == "1-0" and members.standing[1 << 32].quality == 0.75
    assert members.numbers.tolist() == [1, 1 << 32]
    assert members.sketches.shape == (2, SKETCH_SIZE)


def test_agreement_is_that_of_the_sketches(layout: Layout) -> None:
    members = read_members(pack_of((0, 0), (0, 1), (1, 1)), layout)
    same, other, like = members.agreement(0, np.array([0, 1, (1 << 32) + 1]))
    assert same == 1 and other < 0.1 < 0.8 < like


def test_a_form_letter_is_no_paraphrase(layout: Layout) -> None:
    verify = VerifySemantic(layout, SemanticConfig(pairs=0.3, anchors=0))
    removals = verify(pack_of((0, 0), (0, 1), (1, 0), (1, 1)))
    assert [(one.number, one.survivor_id) for one in removals] == [(0, "1-1")]


def test_near_duplicates_are_verified_on_their_texts(layout: Layout) -> None:
    removals = VerifyNear(layout, NearConfig(similarity=0.8, certain=0.8))(pack_of((0, 0), (0, 1), (1, 0), (1, 1)))
    assert [(one.number, one.survivor_id) for one in removals] == [(0, "1-1")]
    assert 0.8 <= removals[0].similarity < 1
