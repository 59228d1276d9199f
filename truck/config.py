"""The truck's settings: flags over the environment (TRUCK_*) over HOME/truck.toml."""

import datetime as dt
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from hardware import topics

_TICK_S = (0.05, 1.0)


class StageSettings(BaseModel):
    """What a stage pack may set of a truck, in its settings.toml; all else is the operator's."""

    model_config = ConfigDict(extra="forbid", strict=True)

    tick_s: float | None = Field(None, ge=_TICK_S[0], le=_TICK_S[1])
    free_bytes_min: int | None = Field(None, ge=0)


class TruckConfig(BaseSettings):
    """What a truck has to be told; keys and roster are in its credentials folder."""

    model_config = SettingsConfigDict(env_prefix="TRUCK_", extra="forbid")

    name: str
    epoch: str
    credentials: Path
    stage: Path
    broker_host: str = "127.0.0.1"
    broker_port: int = Field(8883, ge=1, le=65535)
    page_host: str = "127.0.0.1"
    page_port: int = Field(8080, ge=1, le=65535)
    page_tls: bool = False
    operator_host: str = "127.0.0.1"
    operator_port: int | None = Field(None, ge=1, le=65535)
    tls_certificate: Path | None = None
    tls_key: Path | None = None
    public_copy: str = Field("", pattern=r"^$|^https?://[A-Za-z0-9.:\[\]-]+(/[\w./~%-]*)?$")
    tv_host: str = "127.0.0.1"
    tv_port: int | None = Field(None, ge=1, le=65535)
    recipients: list[Path] = Field(default_factory=list)
    bio_recipients: list[Path] = Field(default_factory=list)
    keyset: Path | None = None
    keyset_root: str | None = None
    team_public: str | None = Field(None, pattern="^[0-9a-f]{64}$")
    tick_s: float = Field(0.2, ge=_TICK_S[0], le=_TICK_S[1])
    free_bytes_min: int = Field(256 << 20, ge=0)

    @field_validator("name", "epoch")
    @classmethod
    def _stream_name(cls, name: str) -> str:
        if not topics.is_name(name) or len(name) > 15:
            raise ValueError("must be a-z, 0-9 and -, 15 at most")
        return name

    @model_validator(mode="after")
    def _one_way_to_name_recipients(self) -> Self:
        if (self.keyset is None) != (self.keyset_root is None):
            raise ValueError("keyset and keyset_root go together")
        if self.keyset is not None and (self.recipients or self.bio_recipients):
            raise ValueError("name recipients one by one or by a key set, not both")
        return self

    def with_stage_settings(self, settings: StageSettings) -> "TruckConfig":
        """These settings with a pack's, where nothing else was said."""
        given = settings.model_dump(exclude_none=True)
        return self.model_copy(
            update={name: v for name, v in given.items() if name not in self.model_fields_set}
        )

    @model_validator(mode="after")
    def _a_certificate_has_its_key(self) -> Self:
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise ValueError("tls_certificate and tls_key go together")
        return self

    @property
    def operators(self) -> int:
        """The operators' port; the one after the page's where none is set."""
        return self.operator_port or self.page_port % 65535 + 1

    @property
    def stream(self) -> str:
        """What the journal, the batches and the manifests are named by."""
        return f"{self.name}-{self.epoch}"


def new_epoch(now_s: float) -> str:
    """The name of an epoch that begins now; a later one never has the same."""
    return dt.datetime.fromtimestamp(now_s, dt.UTC).strftime("%Y%m%d-%H%M%S")


@dataclass(frozen=True)
class TruckHome:
    """Where one truck keeps what is its own.

    truck.toml   settings          journal/   the truth
    view.duckdb  made from it      outbox/    sealed batches on their way
    packs/       stage packs       status.json, lock
    tokens/      records of them   audit.jsonl, audit.head
    run/         broker's files, truck.sock
    """

    folder: Path

    @property
    def config(self) -> Path:
        """The settings file."""
        return self.folder / "truck.toml"

    @property
    def journal(self) -> Path:
        """The journal's folder."""
        return self.folder / "journal"

    @property
    def view(self) -> Path:
        """The DuckDB file."""
        return self.folder / "view.duckdb"

    @property
    def outbox(self) -> Path:
        """The folder `cloud-sync push` uploads from."""
        return self.folder / "outbox"

    @property
    def packs(self) -> Path:
        """Stage packs that were fetched, and the record of which was activated."""
        return self.folder / "packs"

    @property
    def nodes(self) -> Path:
        """Signed configurations of relays, one file a name."""
        return self.folder / "nodes"

    @property
    def tokens(self) -> Path:
        """What is kept of each token that was made."""
        return self.folder / "tokens"

    @property
    def content(self) -> Path:
        """Photos, posts and commentary, with who let them through."""
        return self.folder / "content"

    @property
    def press(self) -> Path:
        """Results and reports for the press, held back until released."""
        return self.folder / "press"

    @property
    def run(self) -> Path:
        """What only lives while the truck does."""
        return self.folder / "run"

    @property
    def socket(self) -> Path:
        """Where a running truck answers its commands."""
        return self.run / "truck.sock"
