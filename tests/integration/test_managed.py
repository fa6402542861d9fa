"""A real Hub whose services cannot work: it starts, they say why, and they end with it."""

from pathlib import Path

import aiohttp
from sqlalchemy import create_engine, text

from tests.integration.conftest import MakeHub
from tests.integration.realhub import RealHub


async def ready(hub: RealHub, service: str) -> tuple[int, str]:
    """A service's readiness, through the proxy: the status, and a text with the reasons."""
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{hub.url}services/{service}/ready") as answer,
    ):
        return answer.status, await answer.text()


def newer_database(path: Path) -> None:
    """A database of a release that does not exist yet."""
    engine = create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE alembic_version (version_num VARCHAR(32))"))
        connection.execute(text("INSERT INTO alembic_version VALUES ('9999')"))
    engine.dispose()


async def test_one_mistake_does_not_end_the_hub(make_hub: MakeHub, tmp_path: Path) -> None:
    """A policy with a typing error, a newer database, and a missing courses file."""
    policy = tmp_path / "cull.toml"
    policy.write_text('[[rule]]\nname = "a"\nidle_timeout = "2 hourz"\n')
    newer_database(tmp_path / "newer.sqlite")
    hub = make_hub(
        extra_config="from services.declare import declare\n"
        f"declare(c, cull={{'policy': {str(policy)!r}, 'timeout': '1h'}},\n"
        f"    stats={{'db_url': 'sqlite:///{tmp_path}/newer.sqlite'}},\n"
        f"    formgrader_proxy={{'courses': {str(tmp_path / 'courses.toml')!r}}})\n"
    )
    for service, reason in (("cull", "hourz"), ("stats", "newer"), ("formgrader", "courses.toml")):

        async def refused(service: str = service, reason: str = reason) -> bool:
            status, text = await ready(hub, service)
            return status == 503 and '"not ready"' in text and reason in text

        await hub.until(f"{service} says why", refused)
    assert "declare(): cull cannot work. The Hub starts" in hub.log()

    policy.write_text('[[rule]]\nname = "a"\nidle_timeout = "2h"\n')

    async def works() -> bool:
        return (await ready(hub, "cull"))[0] == 200

    await hub.until("the culler works", works)

    services = set(hub.processes())
    hub.kill()

    async def ended() -> bool:
        return len(hub.processes()) == 1  # the proxy, which the Hub did not start

    assert len(services) > 3
    await hub.until("the services have ended with the Hub", ended)


async def test_the_last_valid_files_survive_a_restart(make_hub: MakeHub, tmp_path: Path) -> None:
    """With a broken policy and an emptied courses file both services are ready all the same."""
    policy, courses = tmp_path / "cull.toml", tmp_path / "courses.toml"
    policy.write_text('[[rule]]\nname = "a"\naction = "never"\n')
    courses.write_text('[[course]]\nid = "sums"\nurl = "http://127.0.0.1:9"\n')
    hub = make_hub(
        extra_config="from services.declare import declare\n"
        f"declare(c, cull={{'policy': {str(policy)!r}, 'settle': 0}},\n"
        f"    formgrader_proxy={{'courses': {str(courses)!r}}})\n"
    )

    async def works() -> bool:
        return [(await ready(hub, name))[0] for name in ("cull", "formgrader")] == [200, 200]

    await hub.until("both work", works)
    assert "cannot work" not in hub.log()
    hub.stop()
    policy.write_text('[[rule]]\nname = "a"\nidle_timeout = "2 hourz"\n')
    courses.write_text("")
    hub.start()
    await hub.until("both work", works)
    log = hub.log()
    assert "the last valid policy stays in force" in log
    assert "the previous courses stay in use" in log
    assert "course sums is served" in log
