"""Which software the code may read."""

import sys
from pathlib import Path

import pytest
from nbgrader.exchange.default import ExchangeCollect

from services.formgrader_proxy.sandbox import software


def test_python_and_the_system_are_found() -> None:
    """This Python and what it was installed from can be executed."""
    found = software.find([sys.executable], (), network=False)
    real = str(Path(sys.executable).resolve())
    assert found.covers(real)
    assert found.covers("/usr/bin/env")
    assert found.covers(str(Path(software.__file__).parents[3])) is False


def test_settings_of_services_are_no_software(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An environment's etc and var may contain passwords and databases."""
    for name in ("bin", "lib", "share", "etc/jupyterhub", "var", "srv"):
        (tmp_path / name).mkdir(parents=True)
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    found = software.find([sys.executable], (), network=False)
    assert found.covers(str(tmp_path / "share"))
    for name in ("etc", "etc/jupyterhub", "var", "srv", ""):
        assert not found.covers(str(tmp_path / name))


@pytest.mark.attack("sandbox-default-exchange")
def test_nbgraders_exchange_is_no_software(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its default place is in /usr/local/share; the configured one may be anywhere."""
    share, other = tmp_path / "share", tmp_path / "lib" / "exchange"
    for name in ("nbgrader/exchange/inbound", "jupyter/kernels"):
        (share / name).mkdir(parents=True)
    other.mkdir(parents=True)
    (tmp_path / "lib" / "link").symlink_to(other)
    monkeypatch.setattr(software, "_NOT_READABLE", (str(share / "nbgrader"),))
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    found = software.find([sys.executable], (), network=False, private=[other])
    assert found.covers(str(share / "jupyter" / "kernels"))
    for path in (share, share / "nbgrader", share / "nbgrader/exchange/inbound", other):
        assert not found.covers(str(path))
        found.add(path)  # of a further kind of software
        assert not found.covers(str(path))
    assert str(tmp_path / "lib" / "link") not in found.links


def test_only_harmless_files_of_etc() -> None:
    """Neither accounts nor secrets; name servers only with a network."""
    found = software.find([sys.executable], (), network=False)
    for name in ("passwd", "shadow", "ssl/private", "jupyterhub", "ssh", "resolv.conf"):
        assert not found.covers(f"/etc/{name}")
    with_network = software.find([sys.executable], (), network=True)
    assert "/etc/hosts" in with_network.paths or "/etc/hosts" in with_network.links


def test_the_environment_of_a_kernel_is_found(tmp_path: Path) -> None:
    """Of its path, and of the Python that its virtual environment was made from."""
    base, own = tmp_path / "base", tmp_path / "own"
    for prefix in (base, own):
        (prefix / "bin").mkdir(parents=True)
        (prefix / "lib").mkdir()
    (base / "bin" / "python").touch()
    (own / "bin" / "python").symlink_to(base / "bin" / "python")
    (own / "pyvenv.cfg").write_text(f"home = {base / 'bin'}\n")
    found = software.find([str(own / "bin" / "python"), "-m", "kernel"], (), network=False)
    for prefix in (base, own):
        assert found.covers(str(prefix / "lib"))
    assert not found.covers(str(tmp_path))


def test_a_symlink_and_its_target_are_found(tmp_path: Path) -> None:
    """Both are needed where the code has mounts of its own."""
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    found = software.Software()
    found.add(tmp_path / "link")
    found.add(tmp_path / "missing")
    assert found.links == {str(tmp_path / "link"): str(tmp_path / "real")}
    assert list(found.paths) == [str(tmp_path / "real")]
    assert found.covers(str(tmp_path / "real" / "below"))
    assert not found.covers(str(tmp_path / "really"))


def test_the_default_exchange_is_no_software() -> None:
    """It is inside a folder of software: /usr/local/share/nbgrader/exchange."""
    root = ExchangeCollect().root
    assert root.startswith("/usr/local/share/")
    found = software.find([sys.executable], (), network=False)
    assert not found.covers(root)


def test_a_folder_with_something_private_is_added_entry_by_entry(tmp_path: Path) -> None:
    """Whether or not it exists yet: it may be made while the code runs."""
    for name in ("share/jupyter", "share/exchange/inbound", "share/fonts"):
        (tmp_path / name).mkdir(parents=True)
    private = (str(tmp_path / "share/exchange"), str(tmp_path / "share/fonts/later"))
    found = software.Software(private=private)
    found.add(tmp_path / "share")
    found.add(tmp_path / "share/exchange/inbound")
    assert found.covers(str(tmp_path / "share/jupyter"))
    for name in ("share", "share/exchange", "share/exchange/inbound", "share/fonts/later"):
        assert not found.covers(str(tmp_path / name))


def test_files_beside_the_software_are_not_readable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An environment may have been made in the directory of a service, with its keys and data."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "secrets").mkdir()
    (tmp_path / ".ssh").mkdir()
    for name in (".env", "gradebook.db", "jupyterhub_cookie_secret", "pyvenv.cfg"):
        (tmp_path / name).touch()
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    found = software.find([sys.executable], (), network=False)
    covered = {path.name for path in tmp_path.iterdir() if found.covers(str(path))}
    assert covered == {"bin", "pyvenv.cfg"}
