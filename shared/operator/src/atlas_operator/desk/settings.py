"""What the support desk reads from its environment; which system it serves is read as by every operator's command."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, SecretStr, ValidationInfo, field_validator

from atlas_kit.process.settings import GivenSettings, HttpOrigin

SHORTEST_SECRET = 8
"""Characters of DESK_PROXY_SECRET; ``openssl rand -hex 24`` makes 48."""
LONGEST_EMAIL = 254


def _emails(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    names = tuple(name.strip().lower() for name in value.split(",") if name.strip())
    if any(name.count("@") != 1 or len(name) > LONGEST_EMAIL or any(c.isspace() for c in name) for name in names):
        raise ValueError("must be e-mail addresses, comma-separated")
    return names


Emails = Annotated[tuple[str, ...], BeforeValidator(_emails)]


class DeskSettings(GivenSettings):
    """Environment of the desk; see docs/configuration.md."""

    host: str = "127.0.0.1"
    port: int = Field(default=0, ge=0, le=65_535)
    http_max_connections: int = Field(default=256, ge=16, le=100_000)
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    desk_url: HttpOrigin = "http://127.0.0.1:8005"
    desk_auth: Literal["link", "proxy"] = "link"
    desk_proxy_secret: SecretStr | None = Field(default=None, validate_default=True)
    desk_viewers: Emails = ()
    desk_agents: Emails = ()
    desk_approvers: Emails = ()
    desk_two_people: bool = False
    desk_link_file: Path | None = Field(default=None, description="where the link to sign in is written; else its log")

    @field_validator("desk_auth")
    @classmethod
    def _links_are_local(cls, value: str, info: ValidationInfo) -> str:
        if value == "link" and str(info.data.get("desk_url", "")).startswith("https://"):
            raise ValueError("must be proxy when DESK_URL is https: whoever has a link signs in as an approver")
        return value

    @field_validator("desk_proxy_secret")
    @classmethod
    def _needed_behind_a_proxy(cls, value: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        if info.data.get("desk_auth") != "proxy":
            return value
        if value is None:
            raise ValueError("is required when DESK_AUTH is proxy")
        if len(value.get_secret_value()) < SHORTEST_SECRET:
            raise ValueError(f"must have at least {SHORTEST_SECRET} characters")
        return value

    @property
    def secure(self) -> bool:
        """Whether browsers reach the desk by https."""
        return self.desk_url.startswith("https://")
