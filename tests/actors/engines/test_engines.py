"""What holds for every engine that runs on this machine, asked of real models."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from actors.engines.openvino_engine import OpenVinoEngine
from actors.engines.protocol import GenerationRequest, SamplingParams
from actors.engines.transformers_engine import TransformersEngine
from danlu.errors import InputError

PROMPTS = ["云杉银行的借记卡", "def add(a, b):", "The balance", "5G 套餐", "　　全角", "a", "手机上挂失", "😀"]
Ask = Callable[..., list[list[Any]]]


@pytest.fixture(params=["openvino", "transformers"])
def make_engine(request: pytest.FixtureRequest, checkpoint: Path) -> Callable[..., Any]:
    """A new engine over the tiny checkpoint, computing in float32."""

    def make(**options: Any) -> Any:
        if request.param == "openvino":
            return OpenVinoEngine(checkpoint, precision="fp32", threads=1, **options)
        return TransformersEngine(checkpoint, **options)

    return make


@pytest.fixture(scope="module")
def greedy(checkpoint: Path) -> Callable[[str, int], list[int]]:
    """The token ids that transformers' own `generate` gives."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(checkpoint).eval()
    tokenizer = AutoTokenizer.from_pretrained(checkpoint)

    def run(prompt: str, count: int) -> list[int]:
        ids = torch.tensor([tokenizer.encode(prompt)])
        # An end token of -1 never comes: the answer has its full length.
        return model.generate(ids, max_new_tokens=count, do_sample=False, eos_token_id=-1)[0, ids.shape[1] :].tolist()

    return run


def request(prompt: str, name: str = "", **sampling: Any) -> GenerationRequest:
    values = {"max_tokens": 40, "temperature": 0.0, "ignore_eos": True, **sampling}
    return GenerationRequest(name or prompt, prompt, SamplingParams(**values))


def text_of(deltas: list[Any]) -> str:
    return "".join(delta.text for delta in deltas)


def test_greedy_answers_equal_transformers_generate(make_engine: Any, ask: Ask, greedy: Any) -> None:
    """Eight requests at once, so that they are batched where the engine batches."""
    engine = make_engine()
    answers = ask(engine, *(request(prompt) for prompt in PROMPTS))
    for prompt, deltas in zip(PROMPTS, answers, strict=True):
        assert text_of(deltas) == engine.tokenizer.decode(greedy(prompt, 40))
        assert (deltas[-1].completion_tokens, deltas[-1].finish_reason) == (40, "length")
        assert deltas[-1].prompt_tokens == len(engine.tokenizer.encode(prompt))


def test_the_same_seed_draws_the_same_answer(make_engine: Any, ask: Ask) -> None:
    asked = [request("云杉", name, temperature=1.0, seed=seed) for name, seed in (("a", 5), ("b", 5), ("c", 6))]
    first, second, other = (text_of(deltas) for deltas in ask(make_engine(), *asked))
    assert first == second
    assert first != other
    assert text_of(ask(make_engine(), asked[0])[0]) == first, "the seed must also hold in another batch"


def test_without_a_seed_answers_differ(make_engine: Any, ask: Ask) -> None:
    answers = ask(make_engine(), *(request("云杉", name, temperature=1.0) for name in "abc"))
    assert len({text_of(deltas) for deltas in answers}) == 3


def test_top_k_of_one_is_greedy(make_engine: Any, ask: Ask) -> None:
    drawn = request("云杉", "a", temperature=1.0, top_k=1)
    nucleus = request("云杉", "b", temperature=1.0, top_p=1e-6)
    answers = ask(make_engine(), drawn, nucleus, request("云杉", "c"))
    assert len({text_of(deltas) for deltas in answers}) == 1


def test_settings_next_to_zero_are_greedy(make_engine: Any, ask: Ask) -> None:
    """1e-38 would divide logits into infinities; 1e-50 is zero as float32."""
    asked = [request("云杉", "a", temperature=1e-38), request("云杉", "b", temperature=1e-50)]
    nucleus = request("云杉", "c", temperature=1.0, top_p=1e-50)
    answers = ask(make_engine(), *asked, nucleus, request("云杉", "d"))
    assert len({text_of(deltas) for deltas in answers}) == 1


def test_an_end_token_ends_the_answer(make_engine: Any, ask: Ask, greedy: Any, checkpoint: Path) -> None:
    """The end token is counted and not shown."""
    tokens = greedy("云杉银行的借记卡", 40)
    end, at = next((token, at) for at, token in enumerate(tokens) if at >= 3 and token not in tokens[:at])
    (checkpoint / "generation_config.json").rename(checkpoint / "kept.json")
    try:
        (checkpoint / "generation_config.json").write_text(f'{{"eos_token_id": [2, {end}]}}')
        engine = make_engine()
        deltas = ask(engine, request(PROMPTS[0], ignore_eos=False))[0]
    finally:
        (checkpoint / "kept.json").replace(checkpoint / "generation_config.json")
    assert text_of(deltas) == engine.tokenizer.decode(tokens[:at])
    assert (deltas[-1].completion_tokens, deltas[-1].finish_reason) == (at + 1, "stop")


def test_a_stop_string_over_several_tokens_is_cut_off(make_engine: Any, ask: Ask, greedy: Any) -> None:
    engine = make_engine()
    whole = engine.tokenizer.decode(greedy(PROMPTS[0], 40))
    stop = next(whole[at : at + 4] for at in range(3, len(whole) - 4) if "\ufffd" not in whole[at : at + 4])
    deltas = ask(engine, request(PROMPTS[0], stop=(stop,)))[0]
    assert text_of(deltas) == whole[: whole.index(stop)]
    assert deltas[-1].finish_reason == "stop"


def test_an_abort_leaves_the_others_alone(make_engine: Any, greedy: Any) -> None:
    async def session() -> tuple[list[Any], list[Any]]:
        engine = make_engine()
        await engine.start()
        long = asyncio.create_task(collect(engine, request("a", "long", max_tokens=200)))
        other = asyncio.create_task(collect(engine, request(PROMPTS[0], "other")))
        while engine.stats().completion_tokens < 3:
            await asyncio.sleep(0.001)
        await engine.abort("long")
        answers = await long, await other
        assert (engine.stats().running, engine.stats().waiting) == (0, 0)
        await engine.shutdown()
        return answers

    long, other = asyncio.run(session())
    assert long[-1].finish_reason == "abort"
    assert long[-1].completion_tokens < 200
    assert text_of(other) == make_engine().tokenizer.decode(greedy(PROMPTS[0], 40))


def test_a_full_context_is_served(make_engine: Any, ask: Ask, greedy: Any) -> None:
    engine = make_engine()
    prompt = "云杉" * 50
    room = engine.context_length - len(engine.tokenizer.encode(prompt))
    deltas = ask(engine, request(prompt, max_tokens=room))[0]
    assert deltas[-1].completion_tokens == room
    assert text_of(deltas) == engine.tokenizer.decode(greedy(prompt, room))


def test_a_tokenizer_of_another_model_is_refused(make_engine: Any, checkpoint: Path) -> None:
    """Its tokens would lie outside of the embedding."""
    config = (checkpoint / "config.json").read_text()
    try:
        (checkpoint / "config.json").write_text(config.replace('"vocab_size": 420', '"vocab_size": 400'))
        with pytest.raises(InputError, match=r"has 420 tokens.*vocabulary holds 400"):
            make_engine()
    finally:
        (checkpoint / "config.json").write_text(config)


async def collect(engine: Any, asked: GenerationRequest) -> list[Any]:
    return [delta async for delta in engine.generate(asked)]
