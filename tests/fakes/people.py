"""The users and servers of the fake Hub, and their JSON models."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.fakes.clock import START


@dataclass
class FakeServer:
    """A server of a fake user. Times are written unchanged, even invalid ones."""

    name: str = ""
    ready: bool = True
    pending: str | None = None
    started: Any = None
    last_activity: Any = None
    user_options: dict[str, Any] = field(default_factory=dict)
    slow_stop: int = 0  # how many reads a stop stays pending for
    remove: bool = False  # once it has stopped
    drop: tuple[str, ...] = ()  # fields left out of the model

    @property
    def active(self) -> bool:
        return self.ready or self.pending is not None

    def model(self) -> dict[str, Any]:
        whole = {
            "name": self.name,
            "display_name": self.name,
            "full_name": f"x/{self.name}",
            "last_activity": as_written(self.last_activity),
            "started": as_written(self.started),
            "pending": self.pending,
            "ready": self.ready,
            "stopped": not self.active,
            "url": f"/user/x/{self.name}",
            "user_options": self.user_options,
            "progress_url": "/hub/api/users/x/server/progress",
            "full_url": None,
            "full_progress_url": None,
        }
        return {key: value for key, value in whole.items() if key not in self.drop}


@dataclass
class FakeUser:
    """A user of the fake Hub."""

    name: str
    admin: bool = False
    groups: list[str] = field(default_factory=list)
    created: Any = START - timedelta(days=100)
    last_activity: Any = None
    servers: dict[str, FakeServer] = field(default_factory=dict)
    user_info: bool = True  # whether the model has it: since JupyterHub 6

    def model(self) -> dict[str, Any]:
        shown = {name: server.model() for name, server in self.servers.items() if server.active}
        model = {
            "name": self.name,
            "kind": "user",
            "admin": self.admin,
            "groups": self.groups,
            "roles": ["user"],
            "created": as_written(self.created),
            "last_activity": as_written(self.last_activity),
            "pending": None,
            "server": "/user/x/" if "" in shown else None,
            "servers": shown,
        }
        return model | {"user_info": {}} if self.user_info else model

    @property
    def ready(self) -> bool:
        return any(server.ready for server in self.servers.values())

    @property
    def active(self) -> bool:
        return any(server.active for server in self.servers.values())


def as_written(value: Any) -> Any:
    """A time in the Hub's format; any other value unchanged."""
    if not isinstance(value, datetime):
        return value
    return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
