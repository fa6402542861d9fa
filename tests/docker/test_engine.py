"""The engine that the other tests rest on."""

from tests.docker.engine import BASE, Engine


def test_a_container_runs_and_reaches_packages(engine: Engine) -> None:
    said = engine.docker("run", "--rm", BASE, "python3", "-c", "print(6 * 7)")
    assert said == "42\n"
    assert "Compose version" in engine.compose("version")
