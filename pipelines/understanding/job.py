"""`danlu understand`: read annotations, train, calibrate, save `model/`, and report how well it understands."""

from __future__ import annotations

from danlu.errors import InputError
from danlu.progress import Progress
from danlu.report import Report
from danlu.run_directory import RunDirectory
from pipelines.understanding.config import UnderstandConfig
from pipelines.understanding.readers import find_utterances, read_utterances
from pipelines.understanding.splitting import split
from pipelines.understanding.utterances import Utterance, require_length, require_two_intents

_STATE_FILE = "training_state.pt"


def inputs(config: UnderstandConfig) -> list[str]:
    """The files with annotated utterances."""
    files = find_utterances(config.input, "input")
    if config.validation_input is not None:
        files += find_utterances(config.validation_input, "validation_input")
    return files


def resources(config: UnderstandConfig) -> dict[str, float]:
    """Nothing: the network is small and trains in this process."""
    return {}


def run(config: UnderstandConfig, run: RunDirectory, progress: Progress) -> Report:
    """Train `model/` and report its scores on the validation utterances.

    Raises:
        InputError: an annotation is wrong, or there is nothing to learn or to measure by.
        NotAvailableError: device is cuda and there is none.
    """
    from pipelines.understanding import steps

    config = config.resolved()
    training, validation = read_parts(config)
    config = config.with_epochs(len(training))
    progress.say(
        f"{len(training):,} utterances to learn from in {config.epochs} epochs, {len(validation):,} to measure by"
    )
    facts = run.done("train")
    if facts is None:
        facts = steps.train(config, training, validation, run.local("model"), run.local(_STATE_FILE), progress)
        run.mark_done("train", **facts)
        run.local(_STATE_FILE).unlink(missing_ok=True)
    with progress.stage("measure", total=len(validation), unit="utterances"):
        return steps.measure(config, run.local("model"), facts, len(training), validation)


def read_parts(config: UnderstandConfig) -> tuple[list[Utterance], list[Utterance]]:
    """The (training, validation) utterances.

    Raises:
        InputError: an annotation is wrong, or one of the two parts has nothing to offer.
    """
    utterances = read_utterances(find_utterances(config.input, "input"))
    require_two_intents(utterances)
    if config.validation_input is None:
        key, fix = "validation_share", "annotate more wordings, or give validation_input"
        training, validation = split(utterances, config.validation_share, config.seed)
    else:
        key, fix = "validation_input", "give utterances with the intents of input"
        training = utterances
        validation = read_utterances(find_utterances(config.validation_input, key), key)
    require_length([*training, *validation], config.max_characters)
    intents = {utterance.intent for utterance in training}
    if not any(utterance.intent in intents for utterance in validation):
        rule = f"no utterance in it has one of the {len(intents)} intents to be learnt"
        raise InputError(f"{key} leaves nothing to measure by", rule=rule, fix=fix)
    return training, validation
