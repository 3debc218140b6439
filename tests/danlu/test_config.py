from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field, model_validator

from danlu.config import (
    HTTP,
    NAME,
    JobConfig,
    Settings,
    apply_override,
    in_sentence,
    load_config,
    read_yaml,
    to_yaml,
    validate,
)
from danlu.errors import ConfigError, InputError


class Batch(Settings):
    sequences: int = Field(16, ge=1, description="sequences")
    length: int = 256


class Trial(JobConfig):
    input: str | list[str]
    architecture: Literal["dense", "moe"] = "dense"
    batch: Batch = Batch()
    rate: float = 0.1
    start: str | None = Field(None, alias="from")
    name: str = Field("a", pattern=NAME)
    url: str = Field("http://a", pattern=HTTP)

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.batch.length > 1000 and self.architecture == "moe":
            raise ValueError("batch.length is over 1000: architecture moe takes at most 1000")
        return self


MINIMAL = {"input": "a", "output": "b"}


def test_yaml_and_overrides_become_one_config(tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    file.write_text("input: [x, y]\noutput: runs/a\nbatch: {sequences: 4}\n")
    config = load_config(Trial, file, ["batch.length=8", "rate=2", "from=runs/b"])
    assert config.input == ["x", "y"]
    assert (config.batch.sequences, config.batch.length, config.rate, config.start) == (4, 8, 2.0, "runs/b")


@pytest.mark.parametrize(
    ("text", "value"), [("2e-3", 0.002), ("1e2", 100.0), ("-1.5E+2", -150.0), (".5e1", 5.0), ("1.0e-05", 1e-5)]
)
def test_numbers_may_have_an_exponent(text: str, value: float) -> None:
    assert load_config(Trial, None, ["input=a", "output=b", f"rate={text}"]).rate == value


def test_a_count_may_be_written_with_an_exponent() -> None:
    assert load_config(Trial, None, ["input=a", "output=b", "batch.length=1e2"]).batch.length == 100
    with pytest.raises(ConfigError, match=r"batch.length is 0.5"):
        load_config(Trial, None, ["input=a", "output=b", "batch.length=5e-1"])


def test_a_key_of_a_value_that_is_no_block_is_refused_with_the_way_to_write_it() -> None:
    with pytest.raises(ConfigError, match=r"batch is 'small', not a block of keys\n.*batch.KEY=VALUE"):
        load_config(Trial, None, ["input=a", "output=b", "batch=small", "batch.length=8"])


def test_written_config_reads_back_equal(tmp_path: Path) -> None:
    config = validate(Trial, {**MINIMAL, "from": "é中", "batch": {"length": 3}})
    file = tmp_path / "c.yaml"
    file.write_text(to_yaml(config), encoding="utf-8")
    assert load_config(Trial, file) == config


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["inptu=a"], ["unknown key inptu", "did you mean input?"]),
        (["batch.lenght=3"], ["unknown key batch.lenght", "did you mean batch.length?"]),
        (["zzz=1"], ["unknown key zzz", "known keys: output, input"]),
        (["batch.length=abc"], ["batch.length is 'abc'", "integer"]),
        (["batch.sequences=0"], ["batch.sequences is 0", "greater than or equal to 1"]),
        (["architecture=densee"], ["architecture is 'densee'", "'dense' or 'moe'"]),
        (["batch.length=2000", "architecture=moe"], ["batch.length is over 1000"]),
        (["input=3"], ["input is 3"]),
        (["rate=.inf"], ["rate is inf", "finite number"]),
        (["rate=.nan"], ["rate is nan", "finite number"]),
        (["name=a b"], ["name is 'a b': a name has letters"]),
        (["url=ftp://x"], ["url is 'ftp://x': an address begins with http://"]),
        (["batch=7"], ["batch is 7"]),
        (["input=yes"], ["input is True: it must be a text, and YAML reads yes, on, true", "put it in quotes"]),
        (["input=off"], ["input is False: it must be a text, and YAML reads no, off, false", "put it in quotes"]),
        (["input=3"], ['put it in quotes (input: "3")']),
    ],
)
def test_a_mistake_names_key_value_and_rule(overrides: list[str], words: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(Trial, None, ["input=a", "output=b", *overrides])
    for word in [*words, "danlu schema trial"]:
        assert word in str(caught.value)


def test_an_abbreviation_keeps_its_capitals() -> None:
    assert in_sentence("JSON schema at #") == "JSON schema at #"
    assert in_sentence("Input should be") == "input should be" and in_sentence("") == ""


def test_missing_keys_are_all_named() -> None:
    with pytest.raises(ConfigError, match=r"missing key output(.|\n)*missing key input"):
        load_config(Trial)


@pytest.mark.parametrize("text", ["", "- a\n- b\n", "a: [1\n", "just text"])
def test_what_is_no_mapping_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "c.yaml"
    file.write_text(text)
    with pytest.raises(InputError, match=r"c\.yaml"):
        load_config(Trial, file)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("output: a\ninput: b\noutput: c\n", "the key output stands twice, in line 1 and in line 3"),
        ("output: a\nbatch:\n  length: 3\n  length: 4\n", "the key length stands twice, in line 3 and in line 4"),
        ("batches:\n- {length: 3, length: 4}\n", "the key length stands twice"),
    ],
)
def test_a_key_that_stands_twice_is_refused(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "c.yaml"
    file.write_text(text)
    with pytest.raises(InputError, match=words):
        load_config(Trial, file)


def test_a_merged_key_may_be_given_again(tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    text = "one: &a {x: 1, y: 1}\ntwo: {inner: {deep: &b {<<: *a, x: 2}}}\nthree: {<<: *b, x: 3}\n"
    file.write_text(text)
    values = read_yaml(file)
    assert values["two"]["inner"]["deep"] == {"x": 2, "y": 1} and values["three"] == {"x": 3, "y": 1}


def test_missing_file_is_named() -> None:
    with pytest.raises(InputError, match=r"nowhere\.yaml does not exist"):
        load_config(Trial, "nowhere.yaml")


@pytest.mark.parametrize("date", ["2024-13-45", "2024-12-05", "2024-12-05 10:00:00"])
def test_a_date_is_a_text(tmp_path: Path, date: str) -> None:
    file = tmp_path / "c.yaml"
    file.write_text(f"input: a\noutput: {date}\n")
    assert load_config(Trial, file).output == load_config(Trial, None, ["input=a", f"output={date}"]).output == date


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("batch:\n\tlength: 3\n", ["line 2, column 1: ", "indent with spaces, not with tabs"]),
        ("a: [1\nb: 2\n", ["line 2, column 2: ", "of line 1"]),
        ("a: *nowhere\n", ["line 1, column 4: found undefined alias"]),
    ],
)
def test_a_mistake_in_yaml_names_its_line(tmp_path: Path, text: str, words: list[str]) -> None:
    file = tmp_path / "c.yaml"
    file.write_text(text)
    with pytest.raises(InputError) as caught:
        load_config(Trial, file)
    for word in [f"{file} is not valid YAML: line ", *words]:
        assert word in str(caught.value)
    assert "unicode string" not in str(caught.value)


def test_a_malformed_number_in_a_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    file.write_text("output: 0b_\n")
    with pytest.raises(InputError, match="not valid YAML"):
        load_config(Trial, file)


@pytest.mark.parametrize("override", ["novalue", "=3", "a..b=1", "a=[1", "a=0b_"])
def test_malformed_overrides_are_refused(override: str) -> None:
    with pytest.raises(ConfigError):
        apply_override({}, override)


def test_override_below_a_plain_value_is_refused() -> None:
    with pytest.raises(ConfigError, match="input is 'a', not a block"):
        apply_override({"input": "a"}, "input.b=1")


@given(st.lists(st.text("abc", min_size=1, max_size=3), min_size=1, max_size=4), st.integers())
def test_an_override_is_found_where_it_was_put(parts: list[str], value: int) -> None:
    values: dict = {}
    apply_override(values, f"{'.'.join(parts)}={value}")
    for part in parts:
        values = values[part]
    assert values == value
