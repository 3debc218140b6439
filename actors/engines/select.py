"""Which engine serves a model, and why; and the engine itself."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, cast, get_args

from actors.engines.model_folders import Hardware, ModelFolders, find_hardware, find_model
from actors.engines.openvino_folder import check_convertible
from actors.engines.protocol import Engine
from actors.engines.settings import OpenVinoSettings, TensorRtSettings, TransformersSettings
from actors.engines.trial_import import import_problem
from danlu.config import Settings, validate
from danlu.errors import ConfigError, NotAvailableError

EngineName = Literal["tensorrt_llm", "openvino", "transformers"]
ENGINES: tuple[EngineName, ...] = get_args(EngineName)
# Module and class; imported when the engine is made.
_CLASSES: dict[EngineName, tuple[str, str]] = {
    "tensorrt_llm": ("actors.engines.tensorrt_llm", "TensorRtLlmEngine"),
    "openvino": ("actors.engines.openvino_engine", "OpenVinoEngine"),
    "transformers": ("actors.engines.transformers_engine", "TransformersEngine"),
}
_SETTINGS: dict[EngineName, type[Settings]] = {
    "tensorrt_llm": TensorRtSettings,
    "openvino": OpenVinoSettings,
    "transformers": TransformersSettings,
}
_PACKAGES: dict[EngineName, str] = {
    "tensorrt_llm": "tensorrt_llm",
    "openvino": "openvino_genai",
    "transformers": "transformers",
}


def choose_engine(
    wanted: str, model: ModelFolders, available: Mapping[str, str], hardware: Hardware
) -> tuple[EngineName, str]:
    """The engine for a model, and the reason in words.

    Args:
        wanted: an engine's name, or `auto`.
        available: per engine, empty when it can be used in this installation, else why not.

    Raises:
        ConfigError: no engine has that name.
        NotAvailableError: the engine asked for can't serve this model here, or none can.
    """
    if wanted in ENGINES:
        name = cast(EngineName, wanted)
        if obstacle := _obstacle(name, model, available, hardware):
            raise NotAvailableError(f"engine is {wanted!r}", rule=obstacle, fix="use engine=auto")
        return name, "asked for"
    if wanted != "auto":
        raise ConfigError(f"engine is {wanted!r}", rule=f"it must be auto or one of {', '.join(ENGINES)}")
    # With a GPU, the CPU engine is the last resort: it would leave the GPU idle. So would a torch that has no CUDA.
    order: tuple[EngineName, ...] = ("tensorrt_llm", "transformers", "openvino")
    reasons = ["no GPU for this process" if not hardware.gpus else f"GPUs for this process: {hardware.gpus}"]
    if not hardware.gpus:
        order = ("openvino", "transformers")
    elif not hardware.torch_cuda:
        order = ("tensorrt_llm", "openvino", "transformers")
        reasons.append("torch was built without CUDA")
    for name in order:
        obstacle = _obstacle(name, model, available, hardware)
        if not obstacle:
            return name, "; ".join(reasons)
        reasons.append(f"not {name}: {obstacle}")
    raise NotAvailableError("no engine can serve this model here", rule="; ".join(reasons), fix="see `danlu doctor`")


def check_options(engine: str, options: Mapping[str, Any]) -> None:
    """Refuse options that an engine does not have, or values that they can't have.

    Args:
        engine: `auto` or an engine's name. What `auto` means is decided where the model is loaded, so one engine that
            takes the options is enough.

    Raises:
        ConfigError: names the option, its value and the rule.
    """
    problems = {name: _problem(name, options) for name in ENGINES if engine in (name, "auto")}
    found = [problem for problem in problems.values() if problem is not None]
    if len(found) < len(problems):
        return
    # A wrong value says more than that another engine does not have the option.
    telling = [problem for problem in found if not problem.rule] or found
    raise ConfigError(telling[0].what, rule="; ".join(problem.rule for problem in telling if problem.rule))


def _problem(name: EngineName, options: Mapping[str, Any]) -> ConfigError | None:
    """Why an engine does not take the options; has a rule only when it does not have one of them."""
    known = _SETTINGS[name].model_fields
    if unknown := sorted(options.keys() - known.keys()):
        rule = f"engine {name} knows {', '.join(known)}"
        return ConfigError(f"engine option {unknown[0]} is {options[unknown[0]]!r}", rule=rule)
    try:
        validate(_SETTINGS[name], dict(options))
    except ConfigError as error:
        return ConfigError("\n".join(f"engine option {problem}" for problem in error.what.splitlines()))
    return None


def create_engine(path: str | Path, engine: str = "auto", **options: Any) -> Engine:
    """The engine that serves what lies in `path`; not started yet.

    Args:
        path: the run directory of `danlu compress` or `danlu train`, a Hugging Face folder, or a converted folder.
        engine: `auto` or an engine's name.
        options: `name`, `adapters` (of the transformers engine), and the engine's settings (OpenVinoSettings,
            TransformersSettings, TensorRtSettings).

    Raises:
        InputError: no model lies there.
        NotAvailableError: the engine can't be used here, with the reason.
        ConfigError: an option that the engine does not have, or a value that it can't have.
    """
    model = find_model(path)
    name, _ = explain_choice(model, engine, options)
    check_options(name, {key: value for key, value in options.items() if key not in ("name", "adapters")})
    module_name, engine_class = _engine_class(name, options)
    module = importlib.import_module(module_name)
    folder = _openvino_source(model, options) if name == "openvino" else model.checkpoint
    built: Engine = getattr(module, engine_class)(folder, **{"name": Path(path).name, **options})
    return built


def _openvino_source(model: ModelFolders, options: Mapping[str, Any]) -> Path:
    """The converted folder, unless the weights are wanted in another form than it may have."""
    if options.get("weights", "auto") != "auto" and model.checkpoint is not None and not model.unconvertible:
        return model.checkpoint
    folder = model.openvino or model.checkpoint
    assert folder is not None
    check_convertible(folder, options.get("weights", "auto"))
    return folder


def _engine_class(name: EngineName, options: Mapping[str, Any]) -> tuple[str, str]:
    """Module and class; TensorRT-LLM runs as a child process where it is asked for, or where it does not import."""
    if name == "tensorrt_llm" and (options.get("executable") or import_problem("tensorrt_llm")):
        return "actors.engines.trtllm_serve", "TrtllmServeEngine"
    return _CLASSES[name]


def explain_choice(
    model: ModelFolders, engine: str = "auto", options: Mapping[str, Any] | None = None
) -> tuple[EngineName, str]:
    """`choose_engine` for this installation and this process's hardware.

    Args:
        options: of the engine; `executable` makes tensorrt_llm usable where its package is not installed.
    """
    found = engine_availability((options or {}).get("executable"))
    reasons: dict[str, str] = {name: "" if usable else reason for name, usable, reason in found}
    return choose_engine(engine, model, reasons, find_hardware())


def engine_availability(executable: str | None = None) -> list[tuple[EngineName, bool, str]]:
    """(engine, whether it is installed, version or what is missing), without importing anything of it here.

    Args:
        executable: trtllm-serve, if it is not on PATH.
    """
    found = [(name, *_installed(package)) for name, package in _PACKAGES.items()]
    return [
        _child_process(executable, reason) if name == "tensorrt_llm" and not usable else (name, usable, reason)
        for name, usable, reason in found
    ]


def _child_process(executable: str | None, reason: str) -> tuple[EngineName, bool, str]:
    """Whether tensorrt_llm can run by its own executable; `reason` says why not in this process."""
    from actors.engines.trtllm_serve import EXECUTABLE, find_executable

    if place := find_executable(executable):
        return "tensorrt_llm", True, f"{place} (child process)"
    missing = f"{executable} can't be run" if executable else f"{EXECUTABLE} is not on PATH"
    return "tensorrt_llm", False, f"{reason}, and {missing}; pip install 'danlu[tensorrt]' on Linux with Python 3.12"


def _installed(package: str) -> tuple[bool, str]:
    from importlib.metadata import PackageNotFoundError, version

    if importlib.util.find_spec(package) is None:
        return False, f"the package {package} is not installed"
    # The others belong to danlu's own environment, which is made for them.
    if package == _PACKAGES["tensorrt_llm"] and (problem := import_problem(package)):
        return False, problem
    try:
        return True, f"{package} {version(package)}"
    except PackageNotFoundError:
        return True, package


def _obstacle(name: EngineName, model: ModelFolders, available: Mapping[str, str], hardware: Hardware) -> str:
    """Why an engine can't serve the model here; empty when it can."""
    if available[name]:
        return available[name]
    if name == "openvino":
        return "" if model.openvino else model.unconvertible
    if model.checkpoint is None:
        return "there is no Hugging Face checkpoint, only a converted model"
    if name == "tensorrt_llm" and model.own:
        return "it does not know danlu's sparse network"
    return "it needs a CUDA GPU and this process sees none" if name == "tensorrt_llm" and not hardware.gpus else ""
