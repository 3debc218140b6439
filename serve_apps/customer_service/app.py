"""Customer service as a Serve application; `serve_apps.customer_service.app:build` is Serve's entry point."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fastapi import FastAPI
from ray import serve
from ray.serve.config import BackpressureConfig

from actors.conversations import ConversationStore
from actors.knowledge_base.knowledge_base import KnowledgeBase
from danlu import __version__
from danlu.config import validate
from serve_apps.customer_service.back_office import BackOffice, HttpBackOffice, SimulatedBackOffice
from serve_apps.customer_service.config import CustomerServiceConfig
from serve_apps.customer_service.desk import Desk
from serve_apps.customer_service.dialogue import Dialogue
from serve_apps.customer_service.flow_files import check_against_model, load_flows
from serve_apps.customer_service.looking_up import Librarian
from serve_apps.customer_service.metrics import CustomerServiceMetrics
from serve_apps.customer_service.phrasing import Phrasing
from serve_apps.customer_service.routes import router
from serve_apps.gateway import errors
from serve_apps.gateway.charging import demand_keys, settle
from serve_apps.gateway.middleware import LimitBody
from serve_apps.language_model import LanguageModel
from serve_apps.routing import router_config

# Messages that one process answers at a time; what is above waits, then gets 429.
_MAX_ONGOING = 64


def open_desk(config: CustomerServiceConfig) -> Desk:
    """Load the models, open the index and the database, and check the flows against what the intent model knows.

    Raises:
        ConfigError, InputError: something that the config names is missing or broken.
        RunError: the database can't be reached.
    """
    from actors.intent_model import IntentModel

    understander = IntentModel(config.understanding)
    book = load_flows(config.flows)
    check_against_model(book, understander.intents, understander.slot_names)
    phrasing = None if config.model is None else Phrasing(LanguageModel(config.model), config.model_timeout_s)
    librarian = Librarian(KnowledgeBase(config.knowledge), phrasing, config.passages)
    return Desk(
        store=ConversationStore(config.database or f"sqlite:///{Path(config.folder) / 'conversations.sqlite'}"),
        understander=understander,
        librarian=librarian,
        dialogue=Dialogue(book, config.dialogue),
        back_office=_back_office(config),
        meter=CustomerServiceMetrics(),
        max_turns=config.max_turns,
        action_s=2 * config.back_office.timeout_s,  # to connect and to answer have each its own
    )


def create_app(desk: Desk, config: CustomerServiceConfig) -> FastAPI:
    """The application's HTTP side. Middleware added later stands further out."""
    app = FastAPI(title="danlu customer service", version=__version__, docs_url=None, redoc_url=None)
    app.state.desk = desk
    app.state.max_characters = config.max_characters
    app.include_router(router)
    errors.install(app)
    app.add_middleware(LimitBody, max_bytes=config.max_body_bytes)
    demand_keys(app, config.keys_file, config.key_limits)
    return app


@serve.ingress()
class CustomerService:
    """The deployment; Serve asks it for its ASGI app once the constructor is through."""

    def __init__(self, config: dict[str, Any]) -> None:
        self._config = validate(CustomerServiceConfig, config)
        self._desk = open_desk(self._config)

    def __serve_build_asgi_app__(self) -> FastAPI:
        self._app = create_app(self._desk, self._config)
        return self._app

    async def __del__(self) -> None:
        """Serve's own hook, after the last request has been answered."""
        if hasattr(self, "_app"):
            await settle(self._app)


def build(config: dict[str, Any]) -> serve.Application:
    """The Serve application; `config` holds the keys of CustomerServiceConfig. Flows are checked at once."""
    settings = _absolute(validate(CustomerServiceConfig, config))
    load_flows(settings.flows)
    deployment = serve.deployment(
        name="customer_service",
        num_replicas=settings.replicas,
        max_ongoing_requests=_MAX_ONGOING,
        max_queued_requests=_MAX_ONGOING,
        request_router_config=router_config(),
        backpressure_config=BackpressureConfig(status_code=429, retry_after_s=1),
        ray_actor_options={"num_cpus": settings.cpus},
        graceful_shutdown_timeout_s=30.0,
    )(CustomerService)
    return deployment.bind(settings.model_dump())


def _back_office(config: CustomerServiceConfig) -> BackOffice:
    settings = config.back_office
    return SimulatedBackOffice() if settings.url is None else HttpBackOffice(settings.url, settings.timeout_s)


def _absolute(config: CustomerServiceConfig) -> CustomerServiceConfig:
    """Local paths made whole: replicas run in a working directory of their own."""
    names = ("knowledge", "understanding", "flows", "folder", "keys_file")
    given = {name: value for name in names if (value := getattr(config, name)) is not None and "://" not in value}
    return config.model_copy(update={name: str(Path(value).resolve()) for name, value in given.items()})
