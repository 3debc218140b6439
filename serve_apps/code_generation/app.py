"""Code generation as a Serve application; `serve_apps.code_generation.app:build` is Serve's entry point."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, Request
from ray import serve
from ray.serve.config import BackpressureConfig

from actors.sandbox import Sandbox
from danlu import __version__
from danlu.config import validate
from serve_apps.code_generation.config import CodeGenerationConfig
from serve_apps.code_generation.metrics import CodeGenerationMetrics
from serve_apps.code_generation.plan import make_plan
from serve_apps.code_generation.ranking import rank
from serve_apps.code_generation.requests import SolutionRequest
from serve_apps.code_generation.requirement import read_requirement
from serve_apps.code_generation.solution import Solution
from serve_apps.code_generation.solver import Solver
from serve_apps.gateway import errors
from serve_apps.gateway.charging import demand_keys, settle
from serve_apps.gateway.middleware import LimitBody
from serve_apps.language_model import LanguageModel
from serve_apps.routing import router_config

CPUS = 0.25
_MOST_BODY_BYTES = 1 << 20
_QUEUED_PER_PLACE = 8

router = APIRouter()


@dataclass(frozen=True)
class State:
    """What the routes answer from."""

    solver: Solver
    metrics: CodeGenerationMetrics


async def state(request: Request) -> State:
    return request.app.state.code_generation


@router.post("/solutions")
async def create_solution(body: SolutionRequest, here: Annotated[State, Depends(state)]) -> Solution:
    """Write the function that the task describes, and say how it was checked."""
    began = time.perf_counter()
    solution = await here.solver.solve(await asyncio.to_thread(body.requirement))
    here.metrics.solved(solution, time.perf_counter() - began)
    return solution


def create_app(config: CodeGenerationConfig) -> FastAPI:
    """The HTTP side. Middleware added later stands further out.

    Raises:
        NotAvailableError: this machine isolates less than `sandbox.minimum_level`.
    """
    warm_up()
    model = None if config.model is None else LanguageModel(config.model)
    solver = Solver(config, Sandbox(config.sandbox.minimum_level, config.limits), model)
    app = FastAPI(title="danlu code generation", version=__version__, docs_url=None, redoc_url=None)
    app.state.code_generation = State(solver, CodeGenerationMetrics())
    app.include_router(router)
    errors.install(app)
    app.add_middleware(LimitBody, max_bytes=_MOST_BODY_BYTES)
    demand_keys(app, config.keys_file, config.key_limits)
    return app


def warm_up() -> None:
    """Read the templates and compile the vocabulary now, so that the first request need not."""
    requirement = read_requirement("warm up")
    rank(requirement, make_plan(requirement))


@serve.ingress()
class CodeGeneration:
    """The deployment; Serve asks it for its ASGI app once the constructor is through."""

    def __init__(self, config: dict[str, Any]) -> None:
        self._config = validate(CodeGenerationConfig, config)

    def __serve_build_asgi_app__(self) -> FastAPI:
        self._app = create_app(self._config)
        return self._app

    async def __del__(self) -> None:
        """Serve's own hook, after the last request has been answered."""
        if hasattr(self, "_app"):
            await settle(self._app)


def build(config: dict[str, Any]) -> serve.Application:
    """The Serve application; `config` holds the keys of CodeGenerationConfig."""
    settings = validate(CodeGenerationConfig, config)
    deployment = serve.deployment(
        name="code_generation",
        num_replicas=settings.replicas,
        max_ongoing_requests=settings.max_ongoing,
        max_queued_requests=_QUEUED_PER_PLACE * settings.max_ongoing,
        request_router_config=router_config(),
        backpressure_config=BackpressureConfig(status_code=429, retry_after_s=1),
        ray_actor_options={"num_cpus": CPUS},
    )(CodeGeneration)
    return deployment.bind(config)
