"""Writes a Hub database with many running servers, without starting any.

`python -m tests.bench.hub_rows FILE --users N --running N --idle N --port PORT`
"""

import argparse
from datetime import UTC, datetime, timedelta
from pathlib import Path

from jupyterhub import orm, roles
from sqlalchemy import insert


def fill(file: Path, *, users: int, running: int, idle: int, port: int) -> None:
    """Write `users`, the first `running` of which have a server at 127.0.0.1:`port`.

    Every second one of these has been idle for five hours, up to a total of `idle`; the others are
    active now.
    """
    session = orm.new_session_factory(f"sqlite:///{file}")()
    for role in roles.get_default_roles():
        roles.create_role(session, role)
    role_id = orm.Role.find(session, "user").id
    now = datetime.now(UTC).replace(tzinfo=None)  # the Hub's database has naive UTC times
    long_ago = now - timedelta(hours=5)
    people, memberships, servers, clients, spawners = [], [], [], [], []
    for number in range(1, users + 1):
        name = f"u{number:05}"
        seen = long_ago if number % 2 == 0 and number <= 2 * idle else now
        people.append(
            {"id": number, "name": name, "created": long_ago, "last_activity": seen}
            | {"admin": False, "cookie_id": name}
        )
        memberships.append({"user_id": number, "role_id": role_id, "managed_by_auth": False})
        if number > running:
            continue
        servers.append(
            {"id": number, "proto": "http", "ip": "127.0.0.1", "port": port}
            | {"base_url": f"/user/{name}/", "cookie_name": "cookie"}
        )
        client = f"jupyterhub-user-{name}"
        clients.append({"identifier": client, "secret": "", "allowed_scopes": []})
        spawners.append(
            {"user_id": number, "server_id": number, "name": "", "oauth_client_id": client}
            | {"started": long_ago, "last_activity": seen, "user_options": {"profile": "small"}}
        )
    for table, rows in (
        (orm.User, people),
        (orm.Base.metadata.tables["user_role_map"], memberships),
        (orm.Server, servers),
        (orm.OAuthClient, clients),
        (orm.Spawner, spawners),
    ):
        session.execute(insert(table), rows)
    session.commit()
    session.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    for name in ("users", "running", "idle", "port"):
        parser.add_argument(f"--{name}", type=int, required=True)
    options = vars(parser.parse_args())
    fill(**options)


if __name__ == "__main__":
    main()
