"""The config of `danlu clean`: one block for each stage, each of which can be switched off with `null`."""

from __future__ import annotations

from typing import Annotated, Literal, Self, get_args

from pydantic import Field, model_validator

from danlu.config import JobConfig, Settings

Share = Annotated[float, Field(ge=0, le=1)]
Language = Literal["zh", "en"]
PiiKind = Literal["id_card", "bank_card", "mobile", "landline", "email", "ip", "address"]
Step = Literal["pii", "filters", "decontaminate"]
TextFiles = Literal["lines", "whole"]


class RepeatedLinesConfig(Settings):
    """Lines that many documents share are boilerplate of their sites and go."""

    min_documents: int = Field(default=10, ge=2, description="a line in at least this many documents is boilerplate")
    max_characters: int = Field(default=120, ge=1, description="longer lines are content, never boilerplate")


class NormaliseConfig(Settings):
    """Mends texts; drops nothing."""

    mojibake: bool = Field(default=True, description="mend text decoded with the wrong codec (ftfy)")
    html: bool = Field(default=True, description="take out left-over tags, scripts and entities")
    page_lines: bool = Field(default=True, description="take out lines of the page: sharing, copyright")
    repeated_lines: RepeatedLinesConfig | None = Field(
        default=RepeatedLinesConfig(), description="short lines of many documents go; null: stay"
    )


class PiiConfig(Settings):
    """Masks personal data, or drops the texts that have any.

    Off unless asked for: it changes what texts say, and in many corpora (reference works, official notices, a company's
    own knowledge) the numbers are public ones that a model should learn. `address` is not among the default kinds,
    because most street addresses in running text are those of shops and offices.
    """

    action: Literal["mask", "drop"] = Field(default="mask", description="mask what is found, or drop the text")
    kinds: list[PiiKind] = Field(
        default=["id_card", "bank_card", "mobile", "landline", "email", "ip"],
        min_length=1,
        description="id_card, bank_card, mobile, landline, email, ip, address",
    )
    max_matches: int | None = Field(
        default=None, ge=0, description="with mask: texts with more matches (lists of contacts) are dropped; null: none"
    )

    @model_validator(mode="after")
    def _limit_goes_with_masking(self) -> Self:
        if self.action == "drop" and self.max_matches is not None:
            raise ValueError(
                f"pii.max_matches is {self.max_matches} and pii.action is drop, which drops texts with any match:"
                " leave one of them out"
            )
        return self


class FilterConfig(Settings):
    """Drops texts for what they are. Shares are of all characters but white space."""

    min_characters: int = Field(default=20, ge=0, description="shorter texts are dropped")
    max_characters: int = Field(default=200_000, ge=1, description="longer texts are dropped")
    max_symbol_share: Share = Field(default=0.35, description="most symbols: no letter, digit or punctuation")
    max_digit_share: Share = Field(default=0.35, description="most digits")
    max_broken_share: Share = Field(default=0.03, description="most replacement, private-use and control characters")
    max_repeated_share: Share = Field(default=0.5, description="most repeated character 5-grams, or lines")
    languages: list[Language] = Field(default=["zh"], min_length=1, description="languages to keep: zh, en")
    min_language_share: Share = Field(default=0.5, description="least share of the letters that one of them must have")
    advertising_signs: int = Field(default=3, ge=1, description="so many different signs of advertising ...")
    advertising_density: float = Field(default=2.0, ge=0, description="... and in 100 characters are an advertisement")
    blocklist: list[str] = Field(default=[], description="a text with one of these words is dropped")
    min_quality: Share = Field(default=0.0, description="texts with a lower quality score are dropped")

    @model_validator(mode="after")
    def _lengths_in_order(self) -> Self:
        if self.min_characters > self.max_characters:
            raise ValueError(
                f"filters.min_characters is {self.min_characters},"
                f" more than filters.max_characters {self.max_characters}"
            )
        return self


class DecontaminateConfig(Settings):
    """Drops texts that hold the texts of benchmarks, so that these still measure something."""

    against: str | list[str] = Field(
        description="benchmark files (jsonl, csv, parquet, txt): file, folder, glob or URI, or a list", min_length=1
    )
    text_fields: list[str] = Field(
        default=["question", "prompt", "instruction", "problem", "input", "text"],
        min_length=1,
        description="columns or keys that hold their texts; answers are mostly phrases that any text may have",
    )
    grams: int = Field(default=13, ge=5, le=100, description="characters of an n-gram; three times as many letters")
    overlap: Share = Field(default=0.5, gt=0, description="least share of a benchmark text's n-grams in common")
    min_characters: int = Field(
        default=13, ge=1, description="shorter benchmark texts are phrases, passed over; a letter is a third of one"
    )

    @model_validator(mode="after")
    def _passages_have_a_gram(self) -> Self:
        if self.min_characters < self.grams:
            raise ValueError(
                f"decontaminate.min_characters is {self.min_characters}, less than decontaminate.grams {self.grams}:"
                " texts between the two would have no n-gram to be found by"
            )
        return self


class ExactConfig(Settings):
    """Drops texts that differ at most in white space, punctuation, width, case and script."""


class NearConfig(Settings):
    """Drops texts that share most of their character 5-grams (MinHash, verified)."""

    similarity: Share = Field(default=0.5, description="least exact Jaccard similarity to the survivor")
    certain: Share = Field(default=0.6, description="from this similarity on, numbers and names need not agree")
    anchors: Share = Field(default=0.4, description="below it, least share of the numbers and Latin words in common")
    sketch_similarity: Share = Field(default=0.35, description="least agreement of two sketches to be verified at all")

    @model_validator(mode="after")
    def _limits_in_order(self) -> Self:
        if self.certain < self.similarity:
            raise ValueError(
                f"near.certain is {self.certain}, less than near.similarity {self.similarity}: "
                f"set near.certain={self.similarity} too"
            )
        if self.sketch_similarity > self.similarity:
            raise ValueError(
                f"near.sketch_similarity is {self.sketch_similarity}, more than near.similarity {self.similarity}:"
                " a candidate would have to be more alike than a duplicate"
            )
        return self


class SemanticConfig(Settings):
    """Drops texts that say the same in other words or another order (embeddings, HDBSCAN, verified)."""

    similarity: Share = Field(default=0.65, description="least cosine similarity of embeddings to the survivor")
    pairs: Share = Field(default=0.5, description="least Jaccard similarity of character pairs; 0 trusts the embedder")
    anchors: Share = Field(default=0.5, description="least share of numbers and Latin words in common")
    dimensions: int = Field(default=50, ge=2, description="principal components that the clustering sees")
    cell_documents: int = Field(default=1000, ge=10, description="most documents clustered at once")


class EmbedderConfig(Settings):
    """Texts to vectors, for the semantic and domain stages."""

    model: str | None = Field(
        default=None, description="sentence-transformers name or path; null: fitted to the corpus"
    )
    dimensions: int = Field(default=384, ge=2, description="of the fitted embedder, at most")
    backend: Literal["torch", "onnx", "openvino"] = Field(
        default="torch", description="what computes a model: torch; on the CPU openvino is faster, onnx is an extra"
    )
    batch_size: int | None = Field(
        default=None, ge=1, description="texts embedded at a time; null measures which is fastest"
    )
    device: str | None = Field(default=None, description="torch device; null picks a GPU when there is one")

    @model_validator(mode="after")
    def _backends_compute_models_on_the_cpu(self) -> Self:
        if self.backend != "torch" and self.model is None:
            raise ValueError(
                f"embedder.backend is {self.backend}, for which embedder.model must name a model: the embedder that is"
                " fitted to the corpus needs torch"
            )
        if self.backend != "torch" and self.device not in (None, "cpu"):
            raise ValueError(
                f"embedder.backend is {self.backend}, which computes on the CPU, and embedder.device is {self.device}:"
                " leave one of them out"
            )
        return self


class DomainConfig(Settings):
    """Says which domain a text belongs to, from labelled seed texts."""

    seeds: str = Field(
        default="starter",
        min_length=1,
        description="starter (28 domains), YAML {domain: [texts]}, jsonl {text, label}, or a folder of such files",
    )
    keep: Literal["all"] | list[str] = Field(default="all", description="all, or the domains to keep")
    min_score: Share = Field(default=0.0, description="below this calibrated probability a text's domain is `other`")


class CleanConfig(JobConfig):
    """`danlu clean`: raw files in, a clean corpus out."""

    input: str | list[str] = Field(description="file, folder, glob or URI, or a list of them", min_length=1)
    text_field: str = Field(default="text", min_length=1, description="column or key of the text")
    id_field: str = Field(default="id", min_length=1, description="column or key of the id, if there is one")
    text_files: TextFiles = Field(
        default="lines", description="a document in a .txt file: each line, or the whole file"
    )
    normalise: NormaliseConfig | None = Field(default=NormaliseConfig(), description="mends texts; null leaves them")
    pii: PiiConfig | None = Field(default=None, description="masks personal data, or drops texts with it; null: no")
    filters: FilterConfig | None = Field(default=FilterConfig(), description="drops unfit texts; null keeps them")
    decontaminate: DecontaminateConfig | None = Field(
        default=None, description="drops texts that hold benchmark texts; null keeps them"
    )
    order: list[Step] = Field(
        default=["pii", "filters", "decontaminate"], description="of the steps that judge each text by itself"
    )
    exact: ExactConfig | None = Field(default=ExactConfig(), description="drops exact duplicates; null keeps them")
    near: NearConfig | None = Field(default=NearConfig(), description="drops near duplicates; null keeps them")
    semantic: SemanticConfig | None = Field(default=SemanticConfig(), description="drops paraphrases; null keeps them")
    embedder: EmbedderConfig = Field(default=EmbedderConfig(), description="vectors for semantic and domain")
    domain: DomainConfig | None = Field(default=None, description="labels texts with domains; null does not")
    workers: int | None = Field(default=None, ge=1, description="processes at work; null: one for each CPU")
    shard_documents: int = Field(default=2000, ge=1, description="most documents in a work unit")
    exchange_documents: int = Field(
        default=50_000, ge=100, description="more documents than this are compared by a shuffle on the cluster"
    )
    seed: int = Field(default=0, ge=0, description="of the sample the embedder is fitted to and of the clustering")

    @property
    def needs_vectors(self) -> bool:
        """Whether texts are embedded: for paraphrases, and for domains where an embedder is named."""
        return self.semantic is not None or (self.domain is not None and self.embedder.model is not None)

    @model_validator(mode="after")
    def _order_names_each_step_once(self) -> Self:
        steps = get_args(Step)
        if sorted(self.order) != sorted(steps):
            raise ValueError(f"order is {self.order}: it must name each of {', '.join(steps)} once")
        return self
