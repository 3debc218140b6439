import pytest

from pipelines.understanding.config import UnderstandConfig
from pipelines.understanding.encoders import new_network
from pipelines.understanding.job import read_parts
from pipelines.understanding.measuring import predict


def test_answers_are_in_order_whatever_the_batches(tiny_config: UnderstandConfig) -> None:
    training, validation = read_parts(tiny_config)
    rows = training + validation  # 90: two batches
    predictions = predict(new_network(tiny_config, training), rows)
    assert [answer.intent for answer in predictions.answers] == [row.intent for row in rows]
    assert [answer.spans for answer in predictions.answers] == [row.spans for row in rows]
    assert predictions.logits.shape == (90, 3)
    model = new_network(tiny_config, training)
    alone = predict(model, rows[70:71])
    assert alone.logits[0] == pytest.approx(predictions.logits[70], abs=1e-5)
    assert alone.answers[0] == predictions.answers[70]
