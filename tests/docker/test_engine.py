"""Test the Docker engine that the other tests use."""

from tests.docker.engine import BASE, Engine


def test_a_container_runs(engine: Engine) -> None:
    """The engine runs Python in the base image, and Compose is available."""
    output = engine.docker("run", "--rm", BASE, "python3", "-c", "print(6 * 7)")
    assert output == "42\n"
    assert "Compose version" in engine.compose("version")
