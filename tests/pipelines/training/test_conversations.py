"""What of a conversation is learnt: the assistant's words and its end-of-turn token, and nothing else."""

from __future__ import annotations

import pytest
from transformers import PreTrainedTokenizerFast

from pipelines.training.conversations import encode_conversation, unknown_to_template
from pipelines.training.sources import Conversation


def learnt_parts(tokenizer: PreTrainedTokenizerFast, conversation: Conversation) -> list[str]:
    encoded = encode_conversation(tokenizer, conversation)
    runs: list[list[int]] = []
    before = False
    for token, learnt in zip(encoded.tokens.tolist(), encoded.learnt.tolist(), strict=True):
        if learnt:
            runs = [*runs, [token]] if not before else [*runs[:-1], [*runs[-1], token]]
        before = learnt
    return [tokenizer.decode(run) for run in runs]


def say(*turns: str) -> Conversation:
    roles = {"系": "system", "问": "user", "答": "assistant"}
    return [{"role": roles[turn[0]], "content": turn[2:]} for turn in turns]


@pytest.mark.parametrize(
    "answer", ["请先挂失。", "See https://a.b/c?d=1\n\n- x\n- y", "🙂 15元/月", " 前有空格", "尾有换行\n"]
)
def test_the_answer_and_its_end_are_learnt(tokenizer: PreTrainedTokenizerFast, answer: str) -> None:
    conversation = say("系:你是客服。", "问:卡丢了怎么办？", f"答:{answer}")
    assert learnt_parts(tokenizer, conversation) == [f"{answer}<|im_end|>"]


def test_every_turn_of_the_assistant_is_learnt(tokenizer: PreTrainedTokenizerFast) -> None:
    conversation = say("问:你好", "答:您好。", "问:再见", "答:再会。")
    assert learnt_parts(tokenizer, conversation) == ["您好。<|im_end|>", "再会。<|im_end|>"]


def test_a_greeting_that_nothing_asked_for_is_not_learnt(tokenizer: PreTrainedTokenizerFast) -> None:
    assert learnt_parts(tokenizer, say("答:欢迎。", "问:你好", "答:您好。")) == ["您好。<|im_end|>"]


def test_the_tokens_are_those_of_the_chat_template(tokenizer: PreTrainedTokenizerFast) -> None:
    conversation = say("问:你好", "答:您好。")
    encoded = encode_conversation(tokenizer, conversation)
    assert encoded.tokens.tolist() == tokenizer.apply_chat_template(conversation)["input_ids"]
    prompt = tokenizer.apply_chat_template(conversation[:1], add_generation_prompt=True)["input_ids"]
    assert encoded.tokens[: len(prompt)].tolist() == prompt
    assert not encoded.learnt[: len(prompt)].any()


def test_turns_that_a_template_rewrites_are_left_out(tokenizer: PreTrainedTokenizerFast) -> None:
    forgetful = tokenizer.__class__(
        tokenizer_object=tokenizer.backend_tokenizer,
        chat_template="{% for m in messages %}{% if loop.last or m.role != 'assistant' %}{{ m.role }}:{{ m.content }}"
        "{{ '<|im_end|>' }}{% endif %}{% endfor %}{% if add_generation_prompt %}assistant:{% endif %}",
    )
    assert learnt_parts(forgetful, say("问:一", "答:二", "问:三", "答:四")) == ["四<|im_end|>"]


def with_template(tokenizer: PreTrainedTokenizerFast, template: str) -> PreTrainedTokenizerFast:
    return tokenizer.__class__(tokenizer_object=tokenizer.backend_tokenizer, chat_template=template)


def test_a_template_that_strips_words_learns_them_stripped(tokenizer: PreTrainedTokenizerFast) -> None:
    stripping = with_template(
        tokenizer,
        "{% for m in messages %}{{ '<|im_start|>' + m.role + '\\n' + m.content | trim + '<|im_end|>\\n' }}{% endfor %}"
        "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}",
    )
    conversation = say("系: 你是客服。 ", "问: 一 ", "答: 二\n", "问:三", "答:四 ")
    assert learnt_parts(stripping, conversation) == ["二<|im_end|>", "四<|im_end|>"]


TOOLS_TEMPLATE = (
    "{% if tools %}{{ 'tools:' + tools | tojson + '\\n' }}{% endif %}{% for m in messages %}"
    "{{ '<|im_start|>' + m.role + '\\n' + m.content }}{% if m.tool_calls %}{{ m.tool_calls | tojson }}{% endif %}"
    "{{ '<|im_end|>\\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)
CALL = {"type": "function", "function": {"name": "balance", "arguments": {"card": "7"}}}
CALLING: Conversation = [
    {"role": "user", "content": "余额？"},
    {"role": "assistant", "content": "", "tool_calls": [CALL]},
    {"role": "tool", "content": "15元", "name": "balance"},
    {"role": "assistant", "content": "余额15元。"},
]


def test_calls_of_tools_are_learnt_and_their_results_are_not(tokenizer: PreTrainedTokenizerFast) -> None:
    knowing = with_template(tokenizer, TOOLS_TEMPLATE)
    tools = [{"type": "function", "function": {"name": "balance", "parameters": {}}}]
    encoded = encode_conversation(knowing, CALLING, tools)
    assert knowing.decode(encoded.tokens).startswith("tools:[{")
    said = knowing.decode(encoded.tokens[encoded.learnt])
    assert '"name": "balance"' in said and said.endswith("<|im_end|>余额15元。<|im_end|>")
    assert "15元<|im_end|>余额" not in said
    assert unknown_to_template(knowing, CALLING, tools) == ""


def test_what_a_template_would_lose_is_known(tokenizer: PreTrainedTokenizerFast) -> None:
    assert unknown_to_template(tokenizer, CALLING, None) == "tool_calls"
    assert unknown_to_template(tokenizer, say("问:一", "答:二"), [{"type": "function"}]) == "tools"
    assert unknown_to_template(tokenizer, say("问:一", "答:二"), None) == ""
