"""The trained intent model: one utterance in, intent, confidence and slots out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from actors.intent_model.artifact import IntentNetwork, load_network
from actors.intent_model.spans import read_spans
from actors.intent_model.understanding import Slot, Understanding
from danlu.errors import InputError
from danlu.inputs import find_artifact

_BATCH = 64


class IntentModel:
    """Understands utterances on the CPU, in a few milliseconds each with the small encoder.

    Safe to use from several threads: nothing changes after loading. A text is read up to `max_characters` of the
    model; what lies behind has no influence and no slots.

    Args:
        path: the run directory of `danlu understand`, or its `model/` folder.
        alternatives: how many other intents to name beside the likeliest.

    Raises:
        InputError: there is no intent model, or its run is not finished.
    """

    def __init__(self, path: str | Path, alternatives: int = 3) -> None:
        self._model = load_network(Path(find_artifact(str(path), "model", "path")))
        self._alternatives = alternatives

    @property
    def intents(self) -> list[str]:
        """The intents it tells apart."""
        return list(self._model.settings.intents)

    @property
    def slot_names(self) -> list[str]:
        """The slots it finds."""
        return list(self._model.settings.slots)

    def understand(self, text: str) -> Understanding:
        """The intent and the slots of one utterance.

        Raises:
            InputError: the text is empty or only white space.
        """
        return self.understand_batch([text])[0]

    def understand_batch(self, texts: Sequence[str]) -> list[Understanding]:
        """The same for several utterances, in their order.

        Raises:
            InputError: one of them is empty or only white space.
        """
        empty = [index for index, text in enumerate(texts) if not text.strip()]
        if empty:
            raise InputError(f"text {empty[0]} is {texts[empty[0]]!r}", rule="there is nothing to understand in it")
        batches = [texts[start : start + _BATCH] for start in range(0, len(texts), _BATCH)]
        return [
            understanding for batch in batches for understanding in understand(self._model, batch, self._alternatives)
        ]


def understand(model: IntentNetwork, texts: Sequence[str], alternatives: int) -> list[Understanding]:
    """What `model` makes of one batch of texts, none of them empty, on the device where the network is."""
    import torch

    device = next(model.network.parameters()).device
    with torch.inference_mode():
        logits_BI, tags = model.network.predict(model.reader.read(texts).to(device))
        probabilities_BI = torch.softmax(logits_BI.float() / model.settings.temperature, dim=1)
    ranked = probabilities_BI.topk(min(alternatives + 1, len(model.settings.intents)))
    names = model.settings.tags
    return [
        _understanding(model, text, indices, chances, [names[tag] for tag in row])
        for text, indices, chances, row in zip(
            texts, ranked.indices.tolist(), ranked.values.tolist(), tags, strict=True
        )
    ]


def _understanding(
    model: IntentNetwork, text: str, intents: list[int], probabilities: list[float], tags: list[str]
) -> Understanding:
    names = [model.settings.intents[index] for index in intents]
    slots = tuple(Slot(name, start, end, text[start:end]) for name, start, end in read_spans(tags))
    others = tuple(zip(names[1:], probabilities[1:], strict=True))
    return Understanding(names[0], probabilities[0], slots, others)
