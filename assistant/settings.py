"""The only reader of the environment. Each setting is `STAYWELL_<NAME>`, in the environment or in a `.env` file."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, HttpUrl, SecretStr, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """Everything that can be set without touching code; documented in docs/settings.md, which a test keeps in step."""

    model_config = SettingsConfigDict(
        env_prefix="STAYWELL_", env_file=".env", extra="ignore", frozen=True, validate_default=True
    )

    data_dir: Path = Field(Path("var"), description="Where the database, the index snapshots and trained models live.")
    database_url: str | None = Field(None, description="SQLAlchemy URL; by default SQLite inside the data directory.")
    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(8000, ge=0, le=65535, description="Port to listen on.")
    workers: int = Field(1, ge=1, description="Processes that serve the port together. More than one needs PostgreSQL.")
    processes: int = Field(
        1,
        ge=1,
        description="Processes in which folds, searches and scores of all customers are worked out. Same results.",
    )
    ray_address: str | None = Field(
        None,
        min_length=1,
        description="Ray cluster that does such work instead, as ray://HOST:10001; local starts one on this machine.",
    )
    public_origins: list[str] = Field(
        default_factory=list,
        description="Origins under which our own pages are served, for the Origin check. "
        "Empty: http://localhost:PORT and http://127.0.0.1:PORT.",
    )
    secret: SecretStr | None = Field(
        None,
        description="Key for hashing customer keys and seeding draws. By default made once and kept in the data directory.",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least level that is logged.")
    log_format: Literal["json", "console"] = Field("json", description="Log lines as JSON or for reading.")
    encoder: str = Field(
        "use",
        description="Sentence encoder: 'use', 'e5', 'packed:NAME', or any sentence-transformers name or folder.",
    )
    model_dir: Path | None = Field(None, description="Registry of risk models; by default the shipped artefacts.")
    index_dir: Path | None = Field(None, description="Index snapshots; by default inside the data directory.")
    burst_pause_ms: int = Field(1200, ge=0, le=10_000, description="Quiet time after a message before the bot answers.")
    model_deadline_ms: int = Field(
        800, ge=10, description="How long a turn waits for the risk model before it goes on without."
    )
    turn_lease_ms: int = Field(10_000, ge=100, description="How long a turn job belongs to one worker.")
    turn_attempts: int = Field(5, ge=1, description="Tries at a turn before a fallback reply is sent.")
    floor: float = Field(0.02, gt=0, lt=0.2, description="Least probability of an eligible action.")
    temperature: float = Field(3.0, gt=0, description="Softness of the draw among actions, in the site's currency.")
    writer: Literal["template", "openai"] = Field(
        "template",
        description="Who words replies: 'template' says the approved wording; 'openai' has a model rephrase it, checked. "
        "A site's own setting `writer` wins.",
    )
    writer_url: HttpUrl | None = Field(
        None,
        description="Base URL of a server that speaks OpenAI's chat completions, such as https://api.openai.com/v1.",
    )
    writer_model: str | None = Field(None, min_length=1, description="Name of the model at that server.")
    writer_key: SecretStr | None = Field(None, description="Key for that server, where it wants one. Never logged.")
    writer_timeout_ms: int = Field(
        8000, ge=100, le=30_000, description="How long a model may take over a reply before the template speaks."
    )
    writer_max_tokens: int = Field(500, ge=16, le=4_000, description="Longest answer that a model is asked for.")
    writer_calls_per_minute: int = Field(
        60, ge=1, description="Calls of the model a minute and site, on each worker. A site's own setting wins."
    )
    token_minutes: int = Field(15, ge=1, le=60, description="Life of a widget token.")
    session_hours: int = Field(12, ge=1, le=72, description="Life of an agent's log-in.")
    secure_cookies: bool | None = Field(
        None,
        description="Send cookies over HTTPS only, with the __Host- prefix. By default on, unless the host is a loopback address.",
    )
    offer_seconds: int = Field(20, ge=1, description="How long an agent may think about an offered conversation.")
    nobody_seconds: int = Field(
        120, ge=1, description="Waiting time after which the customer is told that nobody is free."
    )
    messages_per_10s: int = Field(5, ge=1, description="Messages that a contact may send within 10 s.")
    messages_per_minute: int | None = Field(
        None,
        ge=1,
        description="Messages that a contact may send within a minute. By default 100, or six times messages_per_10s.",
    )
    messages_per_minute_address: int = Field(
        600,
        ge=1,
        description="Messages that all contacts of an address may send within a minute, on each worker. "
        "Loopback addresses are not counted.",
    )
    messages_per_minute_site: int = Field(
        6000, ge=1, description="Messages that all contacts of a site may send within a minute, on each worker."
    )
    sessions_per_minute: int = Field(
        120,
        ge=1,
        description="Widget sessions that an address may open within a minute. Loopback addresses are not counted: "
        "a proxy on this machine has to name the client (X-Forwarded-For), and tests come from there.",
    )
    private_key_urls: bool = Field(
        False,
        description="Fetch the shops' key sets from private and loopback addresses and over plain http too: for development.",
    )
    sockets_per_contact: int = Field(
        5, ge=1, description="Connections that a contact may have at once, on each worker."
    )
    sockets_per_address: int = Field(
        500,
        ge=1,
        description="Connections that an address may have at once, on each worker. Loopback addresses are not counted.",
    )
    sockets_per_site: int = Field(
        20_000, ge=1, description="Connections that all contacts of a site may have at once, on each worker."
    )
    oidc_issuer: str | None = Field(
        None,
        pattern=r"^https?://[^\s?#]+$",
        description="Identity provider (OpenID Connect) with which agents log in; its address, as in its metadata.",
    )
    oidc_client_id: str | None = Field(None, min_length=1, description="What the provider knows this server as.")
    oidc_client_secret: SecretStr | None = Field(
        None, description="The client's secret at the provider; none for a public client."
    )
    oidc_name: str = Field("Single sign-on", max_length=60, description="What the log-in page calls the provider.")
    oidc_groups_claim: str = Field("groups", description="Claim of the ID token that lists a person's groups.")
    oidc_groups: dict[str, Annotated[str, Field(pattern=r"^(agent|supervisor|admin)@[^@\s]{1,64}$")]] = Field(
        default_factory=dict,
        description='What a group may do where, as role@site: {"helpdesk": "agent@my-shop"}. '
        "Empty: only people who have a log-in here already, with the role that they have here.",
    )
    password_login: bool = Field(True, description="Let agents log in with a password of this server.")

    @field_validator("writer_url", "writer_model")
    @classmethod
    def _needed_by_the_writer(cls, value: object, info: ValidationInfo) -> object:
        if value is None and info.data.get("writer") == "openai":
            raise ValueError("is needed, since STAYWELL_WRITER is openai")
        return value

    @field_validator("oidc_client_id")
    @classmethod
    def _needed_by_the_provider(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is None and info.data.get("oidc_issuer"):
            raise ValueError("is needed, since STAYWELL_OIDC_ISSUER is set")
        return value

    @field_validator("password_login")
    @classmethod
    def _some_way_in(cls, value: bool, info: ValidationInfo) -> bool:
        if not value and not info.data.get("oidc_issuer"):
            raise ValueError("nobody could log in: there is no STAYWELL_OIDC_ISSUER")
        return value

    @cached_property
    def url(self) -> str:
        """The database URL in force."""
        return self.database_url or f"sqlite:///{(self.data_dir / 'staywell.db').as_posix()}"

    @cached_property
    def origins(self) -> frozenset[str]:
        """Origins of our own pages."""
        own = self.public_origins or [f"http://localhost:{self.port}", f"http://127.0.0.1:{self.port}"]
        return frozenset(origin.rstrip("/") for origin in own)

    @cached_property
    def messages_per_minute_in_force(self) -> int:
        """Messages that a contact may send within a minute."""
        return self.messages_per_minute or max(100, 6 * self.messages_per_10s)

    @cached_property
    def indices(self) -> Path:
        """Where each site's index, ranking and recommender live."""
        return self.index_dir or self.data_dir / "index"

    @cached_property
    def writer_base(self) -> str | None:
        """The model's base URL, without a slash at the end."""
        return None if self.writer_url is None else str(self.writer_url).rstrip("/")

    @cached_property
    def cookies_secure(self) -> bool:
        """Whether cookies are marked Secure and carry the __Host- prefix."""
        if self.secure_cookies is not None:
            return self.secure_cookies
        return self.host not in {"127.0.0.1", "localhost", "::1"}
