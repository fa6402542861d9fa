"""The rules around a student's container; tests/docker has them at work."""

import importlib.util
import sys
from types import ModuleType

import pytest

from tests.paths import ROOT

PATH = ROOT / "docker/images/singleuser/firewall.py"
HEAD = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n"


@pytest.fixture(scope="module")
def firewall() -> ModuleType:
    """The program, which is no module of a package."""
    spec = importlib.util.spec_from_file_location("firewall", PATH)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.skipif(sys.byteorder != "little", reason="the numbers below are little-endian")
def test_neighbours_are_the_networks_at_hand_and_not_the_world(firewall: ModuleType) -> None:
    table = (
        HEAD + "eth1\t00000000\t010012AC\t0003\t0\t0\t0\t00000000\t0\t0\t0\n"
        "eth0\t00005C0A\t00000000\t0001\t0\t0\t0\t00F0FFFF\t0\t0\t0\n"
        "eth1\t000012AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n"
        "eth1\t0000640A\t010012AC\t0003\t0\t0\t0\t0000FFFF\t0\t0\t0\n"
    )
    assert firewall.neighbours(table) == ["10.92.0.0/20", "172.18.0.0/16"]


def test_a_container_without_a_network_is_told(firewall: ModuleType) -> None:
    with pytest.raises(OSError, match="no network"):
        firewall.neighbours(HEAD)


def test_new_addresses_take_the_place_of_the_old(firewall: ModuleType) -> None:
    assert firewall.ways({"10.92.0.3", "10.92.0.2"}) == (
        "flush set inet classroom ways\nadd element inet classroom ways { 10.92.0.2, 10.92.0.3 }\n"
    )
    assert firewall.ways(set()) == "flush set inet classroom ways\n"


def test_a_name_of_nobody_has_no_address(firewall: ModuleType) -> None:
    assert firewall.look_up(["127.0.0.1", "nobody.invalid"]) == {"127.0.0.1"}
