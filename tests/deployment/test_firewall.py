"""The firewall rules of a student's container. tests/docker tests them in a real network."""

import importlib.util
import sys
from types import ModuleType

import pytest

from tests.paths import ROOT

PATH = ROOT / "docker/images/singleuser/firewall.py"
HEAD = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n"


@pytest.fixture(scope="module")
def firewall() -> ModuleType:
    """The script, loaded as a module."""
    spec = importlib.util.spec_from_file_location("firewall", PATH)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.skipif(sys.byteorder != "little", reason="the numbers below are little-endian")
def test_only_directly_connected_networks_are_neighbours(firewall: ModuleType) -> None:
    """Networks behind a gateway, including the internet, are not."""
    table = (
        HEAD + "eth1\t00000000\t010012AC\t0003\t0\t0\t0\t00000000\t0\t0\t0\n"
        "eth0\t00005C0A\t00000000\t0001\t0\t0\t0\t00F0FFFF\t0\t0\t0\n"
        "eth1\t000012AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n"
        "eth1\t0000640A\t010012AC\t0003\t0\t0\t0\t0000FFFF\t0\t0\t0\n"
    )
    assert firewall.neighbours(table) == ["10.92.0.0/20", "172.18.0.0/16"]


def test_a_container_without_a_network_is_an_error(firewall: ModuleType) -> None:
    """An empty routing table has no networks to protect."""
    with pytest.raises(OSError, match="no network"):
        firewall.neighbours(HEAD)


def test_new_addresses_replace_the_old_ones(firewall: ModuleType) -> None:
    """The commands empty the set and fill it again."""
    assert firewall.allow({"10.92.0.3", "10.92.0.2"}) == (
        "flush set inet classroom allowed\n"
        "add element inet classroom allowed { 10.92.0.2, 10.92.0.3 }\n"
    )
    assert firewall.allow(set()) == "flush set inet classroom allowed\n"


def test_unknown_names_are_skipped(firewall: ModuleType) -> None:
    """The addresses of the other names are returned."""
    assert firewall.look_up(["127.0.0.1", "nobody.invalid"]) == {"127.0.0.1"}
