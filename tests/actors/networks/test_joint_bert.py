import pytest
import torch
from transformers import BertConfig, BertModel

from actors.networks.joint_bert import MAX_PLACE, Characters, JointBert

TAGS = ["O", "B-a", "I-a"]


@pytest.fixture(scope="module")
def network() -> JointBert:
    torch.manual_seed(0)
    config = BertConfig(vocab_size=30, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32)
    return JointBert(BertModel(config), intents=4, tags=TAGS).eval()


def characters(tokens: list[list[int]], places: list[list[tuple[int, int]]]) -> Characters:
    """A batch from token ids and (token, place) of every character; shorter rows are padded with 0."""

    def pad(rows: list[list[int]]) -> torch.Tensor:
        width = max(map(len, rows))
        return torch.tensor([row + [0] * (width - len(row)) for row in rows])

    return Characters(
        input_ids=pad(tokens),
        attention_mask=pad([[1] * len(row) for row in tokens]),
        token=pad([[token for token, _ in row] for row in places]),
        place=pad([[place for _, place in row] for row in places]),
        mask=pad([[1] * len(row) for row in places]).bool(),
    )


SHORT = ([2, 7, 3], [(1, 1), (1, 2)])
LONG = ([2, 8, 9, 10, 3], [(1, 1), (2, 1), (2, 2), (0, 0), (3, 1), (3, 2)])


def test_shapes(network: JointBert) -> None:
    logits, emissions = network(characters([SHORT[0], LONG[0]], [SHORT[1], LONG[1]]))
    assert logits.shape == (2, 4) and emissions.shape == (2, 6, 3)


def test_neighbours_in_the_batch_change_nothing(network: JointBert) -> None:
    alone_logits, alone = network(characters([SHORT[0]], [SHORT[1]]))
    logits, emissions = network(characters([SHORT[0], LONG[0]], [SHORT[1], LONG[1]]))
    assert torch.allclose(logits[0], alone_logits[0], atol=1e-5)
    assert torch.allclose(emissions[0, :2], alone[0], atol=1e-5)


def test_characters_of_one_token_are_told_apart(network: JointBert) -> None:
    _, emissions = network(characters([SHORT[0]], [SHORT[1]]))
    assert not torch.allclose(emissions[0, 0], emissions[0, 1], atol=1e-4)


def test_places_behind_the_last_vector_share_it(network: JointBert) -> None:
    places = [(1, MAX_PLACE), (1, MAX_PLACE + 1), (1, MAX_PLACE + 40)]
    _, emissions = network(characters([SHORT[0]], [places]))
    assert torch.equal(emissions[0, 0], emissions[0, 1]) and torch.equal(emissions[0, 0], emissions[0, 2])


def test_prediction_has_a_tag_for_every_character_and_no_more(network: JointBert) -> None:
    logits, tags = network.predict(characters([SHORT[0], LONG[0]], [SHORT[1], LONG[1]]))
    assert logits.shape == (2, 4) and [len(row) for row in tags] == [2, 6]


def test_a_few_steps_learn_a_batch_by_heart() -> None:
    torch.manual_seed(0)
    config = BertConfig(vocab_size=30, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32)
    network = JointBert(BertModel(config), intents=2, tags=TAGS, dropout=0.0)
    batch = characters([SHORT[0], LONG[0]], [SHORT[1], LONG[1]])
    intents, tags = torch.tensor([0, 1]), torch.tensor([[1, 2, 0, 0, 0, 0], [0, 0, 1, 2, 2, 0]])
    optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
    for _ in range(60):
        optimizer.zero_grad()
        network.loss(batch, intents, tags).backward()
        optimizer.step()
    logits, found = network.eval().predict(batch)
    assert logits.argmax(1).tolist() == [0, 1]
    assert found == [[1, 2], [0, 0, 1, 2, 2, 0]]
