"""Log probabilities, penalties, min_p and grammars, asked of real models and compared with transformers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from actors.engines.openvino_engine import OpenVinoEngine
from actors.engines.protocol import GenerationRequest, SamplingParams
from actors.engines.tokenizer import ModelTokenizer
from actors.engines.transformers_engine import TransformersEngine
from danlu.errors import InputError, NotAvailableError

PROMPT = "云杉银行的借记卡"
Ask = Callable[..., list[list[Any]]]


@pytest.fixture(params=["openvino", "transformers"])
def engine(request: pytest.FixtureRequest, checkpoint: Path) -> Any:
    if request.param == "openvino":
        return OpenVinoEngine(checkpoint, precision="fp32", threads=1)
    return TransformersEngine(checkpoint)


@pytest.fixture(scope="module")
def logits(checkpoint: Path) -> Callable[[list[int]], torch.Tensor]:
    """(vocabulary,) logits of the next token after some tokens, by transformers alone."""
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(checkpoint).eval()

    def after(ids: list[int]) -> torch.Tensor:
        with torch.no_grad():
            return model(torch.tensor([ids])).logits[0, -1]

    return after


def request(name: str = "a", **sampling: Any) -> GenerationRequest:
    values = {"max_tokens": 24, "temperature": 0.0, "ignore_eos": True, **sampling}
    return GenerationRequest(name, PROMPT, SamplingParams(**values))


def text_of(deltas: list[Any]) -> str:
    return "".join(delta.text for delta in deltas)


def logprobs_of(deltas: list[Any]) -> list[Any]:
    return [logprob for delta in deltas for logprob in delta.logprobs]


def token_id(tokenizer: ModelTokenizer, spelled: bytes) -> int:
    found = [token for token in range(len(tokenizer.huggingface)) if tokenizer.token_bytes(token) == spelled]
    assert len(found) == 1
    return found[0]


@pytest.mark.parametrize("how", [{}, {"temperature": 0.7, "seed": 4, "top_p": 0.9}, {"repetition_penalty": 1.8}])
def test_log_probabilities_are_the_models_own(engine: Any, ask: Ask, logits: Any, how: dict[str, Any]) -> None:
    deltas = ask(engine, request(logprobs=0, **how))[0]
    found = logprobs_of(deltas)
    assert len(found) == 24 == deltas[-1].completion_tokens
    ids = engine.tokenizer.encode(PROMPT)
    for entry in found:
        token = token_id(engine.tokenizer, entry.token)
        assert entry.logprob == pytest.approx(float(logits(ids).log_softmax(-1)[token]), abs=2e-4)
        assert entry.top == ()
        ids.append(token)
    assert b"".join(entry.token for entry in found).decode(errors="replace") == text_of(deltas)


def test_log_probabilities_are_the_models_own_under_a_grammar_too(checkpoint: Path, ask: Ask, logits: Any) -> None:
    engine = OpenVinoEngine(checkpoint, precision="fp32", threads=1)
    deltas = ask(engine, request(logprobs=0, grammar='root ::= "ab" [0-9]{3}', ignore_eos=False))[0]
    ids = engine.tokenizer.encode(PROMPT)
    found = logprobs_of(deltas)
    assert b"".join(entry.token for entry in found).decode() == text_of(deltas)
    for entry in found:
        token = token_id(engine.tokenizer, entry.token)
        assert entry.logprob == pytest.approx(float(logits(ids).log_softmax(-1)[token]), abs=2e-4)
        ids.append(token)


def test_the_likeliest_tokens_come_with_their_log_probabilities(checkpoint: Path, ask: Ask, logits: Any) -> None:
    engine = TransformersEngine(checkpoint)
    (drawn,) = ask(engine, request(logprobs=3, temperature=1.0, seed=2, max_tokens=8))
    ids = engine.tokenizer.encode(PROMPT)
    for entry in logprobs_of(drawn):
        values, best = logits(ids).log_softmax(-1).topk(3)
        assert [token_id(engine.tokenizer, spelled) for spelled, _ in entry.top] == best.tolist()
        assert [value for _, value in entry.top] == pytest.approx(values.tolist(), abs=2e-4)
        ids.append(token_id(engine.tokenizer, entry.token))


def test_the_end_token_has_no_log_probability(engine: Any, ask: Ask) -> None:
    """Of twelve seeds some end by themselves."""
    drawn = {"temperature": 1.5, "logprobs": 0, "ignore_eos": False, "max_tokens": 200}
    asked = [request(str(seed), seed=seed, **drawn) for seed in range(12)]
    ended = [deltas for deltas in ask(engine, *asked) if deltas[-1].finish_reason == "stop"]
    assert ended
    for deltas in ended:
        assert len(logprobs_of(deltas)) == deltas[-1].completion_tokens - 1


@pytest.mark.parametrize(
    "how",
    [
        {"repetition_penalty": 1.5},
        {"repetition_penalty": 0.8},
        {"presence_penalty": 1.2},
        {"frequency_penalty": 0.9},
        {"frequency_penalty": -0.5},
        {"repetition_penalty": 1.3, "presence_penalty": 0.7, "frequency_penalty": 0.4},
    ],
)
def test_penalties_give_the_greedy_answer_of_their_formula(
    engine: Any, ask: Ask, logits: Any, how: dict[str, float]
) -> None:
    ids = engine.tokenizer.encode(PROMPT)
    answer: list[int] = []
    for _ in range(24):
        scores = logits([*ids, *answer])
        for token in {*ids, *answer}:
            factor = how.get("repetition_penalty", 1.0)
            scores[token] = scores[token] / factor if scores[token] > 0 else scores[token] * factor
        for token in set(answer):
            scores[token] -= how.get("presence_penalty", 0.0) + how.get("frequency_penalty", 0.0) * answer.count(token)
        answer.append(int(scores.argmax()))
    assert text_of(ask(engine, request(**how))[0]) == engine.tokenizer.decode(answer)


def test_min_p_leaves_out_what_is_far_less_likely_than_the_likeliest(engine: Any, ask: Ask, logits: Any) -> None:
    """Temperature first: at 2 the distribution is flatter, and more tokens stay."""
    chances = (logits(engine.tokenizer.encode(PROMPT)) / 2.0).softmax(-1)
    allowed = {int(token) for token in (chances >= 0.3 * chances.max()).nonzero()}
    asked = [request(str(seed), temperature=2.0, min_p=0.3, seed=seed, max_tokens=1, logprobs=0) for seed in range(64)]
    drawn = {token_id(engine.tokenizer, logprobs_of(deltas)[0].token) for deltas in ask(engine, *asked)}
    assert 1 < len(allowed) < 20
    assert drawn == allowed


def test_what_an_engine_does_not_offer_is_refused_by_name(checkpoint: Path, ask: Ask) -> None:
    with pytest.raises(NotAvailableError, match=r"response_format.*does not offer"):
        ask(TransformersEngine(checkpoint), request(grammar='root ::= "a"', ignore_eos=False))
    with pytest.raises(NotAvailableError, match="top_logprobs is not available"):
        ask(OpenVinoEngine(checkpoint), request(logprobs=2))


def test_a_wrong_grammar_leaves_the_engine_as_it_was(checkpoint: Path) -> None:
    """openvino-genai alone is unusable after it: every later step raises."""

    async def session() -> tuple[list[Any], list[Any]]:
        engine = OpenVinoEngine(checkpoint, precision="fp32", threads=1)
        await engine.start()
        other = asyncio.create_task(collect(engine, request("other", max_tokens=150)))
        for wrong in ("root ::= (", "rot ::= [a-z]", "root ::= undefined", "no grammar at all"):
            with pytest.raises(InputError, match="grammar can't be compiled"):
                await collect(engine, request("wrong", grammar=wrong, ignore_eos=False))
        good = await collect(engine, request("good", grammar='root ::= "ab" [0-9]{3} ("x" | "云")', ignore_eos=False))
        answers = await other, good
        await engine.shutdown()
        return answers

    other, good = asyncio.run(session())
    assert other[-1].completion_tokens == 150
    assert text_of(good)[:2] == "ab" and text_of(good)[-1] in "x云" and len(text_of(good)) == 6
    assert good[-1].finish_reason == "stop"


async def collect(engine: Any, asked: GenerationRequest) -> list[Any]:
    return [delta async for delta in engine.generate(asked)]


@pytest.mark.parametrize("grammar", ['root ::= ("ab1" | "ab2"){15,20}', 'root ::= "[" [0-3] ("," [0-3]){10,20} "]"'])
def test_guessing_ahead_keeps_to_the_grammar(checkpoint: Path, ask: Ask, grammar: str) -> None:
    """What repeats is guessed from prompt and answer, and dropped where the grammar or the network says otherwise."""
    asked = [
        GenerationRequest(
            f"{seed}",
            "ab1ab2ab1ab2 [1,2,1,2] ",
            SamplingParams(max_tokens=120, temperature=1.0, seed=seed, grammar=grammar, logprobs=0),
        )
        for seed in range(8)
    ]
    found = []
    for tokens in (0, 4):
        engine = OpenVinoEngine(checkpoint, precision="fp32", threads=1, prompt_lookup=tokens)
        answers = ask(engine, *asked)
        assert all(deltas[-1].finish_reason == "stop" for deltas in answers)
        assert all(len(logprobs_of(deltas)) == deltas[-1].completion_tokens - 1 for deltas in answers)
        found.append([text_of(deltas) for deltas in answers])
    assert found[0] == found[1]
