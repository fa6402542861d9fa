"""Restrict this container's connections to the named containers of its network.

    python3 -I -S firewall.py hub proxy

Students' containers share a network, in which each could reach every port of the others. The rules
are in this container's network namespace. Changing them needs CAP_NET_ADMIN, which no program of
the student has. They apply to outgoing connections: the hub and the proxy can always connect.

The rules are in force when this returns. A child process stays to follow the hub and the proxy to
new addresses. If it ends, the container cannot connect to a new address.
"""

import ipaddress
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path

NFT = "/usr/sbin/nft"
#: Seconds between two look-ups of the addresses. Packets to a new address are dropped until then,
#: not refused: TCP sends them again after 1 s and 3 s.
LOOK_SECONDS = 2.0
RULES = """
table inet classroom {{
  set neighbours {{
    type ipv4_addr
    flags interval
    elements = {{ {neighbours} }}
  }}
  set ways {{
    type ipv4_addr
  }}
  chain output {{
    type filter hook output priority filter; policy accept;
    oifname "lo" accept
    ct state established,related accept
    ip daddr @neighbours ip daddr != @ways drop
    meta nfproto ipv6 meta l4proto != 58 drop comment "58: ICMPv6"
  }}
}}
"""


def neighbours(table: str) -> list[str]:
    """The directly connected networks in the kernel's table (/proc/net/route).

    :raises OSError: there are none
    """
    found = []
    for line in table.splitlines()[1:]:
        _, destination, gateway, _, _, _, _, mask, *_ = line.split()
        if int(gateway, 16) == 0 and int(mask, 16):
            found.append(ipaddress.ip_network(f"{_address(destination)}/{_address(mask)}"))
    if not found:
        raise OSError("this container has no network")
    return [str(each) for each in ipaddress.collapse_addresses(found)]


def _address(number: str) -> ipaddress.IPv4Address:
    """An address of the table: a hexadecimal number in the machine's byte order."""
    return ipaddress.IPv4Address(int(number, 16).to_bytes(4, sys.byteorder))


def ways(addresses: Iterable[str]) -> str:
    """The nft commands that allow exactly these addresses, in one transaction."""
    elements = ", ".join(sorted(addresses))
    added = f"add element inet classroom ways {{ {elements} }}\n" if elements else ""
    return "flush set inet classroom ways\n" + added


def look_up(names: Iterable[str]) -> set[str]:
    """The current IPv4 addresses of the names; names that do not resolve are left out."""
    found: set[str] = set()
    for name in names:
        try:
            answers = socket.getaddrinfo(name, None, socket.AF_INET, socket.SOCK_STREAM)
        except OSError:
            continue
        found.update(str(answer[4][0]) for answer in answers)
    return found


def load(rules: str) -> None:
    """Load rules into the kernel.

    :raises OSError: they were not loaded; the message says why
    """
    ran = subprocess.run(  # noqa: S603 - fixed arguments
        [NFT, "-f", "-"], input=rules, capture_output=True, text=True, check=False
    )
    if ran.returncode:
        raise OSError(ran.stderr.strip().partition("\n")[0] or f"nft ended with {ran.returncode}")


def keep(names: list[str], known: set[str]) -> None:
    """Follow the names' addresses. Never returns."""
    while True:
        time.sleep(LOOK_SECONDS)
        found = look_up(names)
        # If no name resolves, the name service is unavailable.
        if not found or found == known:
            continue
        try:
            load(ways(found))
            known = found
        except OSError as error:
            print(f"firewall: {error}", file=sys.stderr, flush=True)


def main() -> None:
    """Load the rules, and start the process that keeps them up to date."""
    names = sys.argv[1:]
    known = look_up(names)
    try:
        around = neighbours(Path("/proc/net/route").read_text(encoding="ascii"))
        load(RULES.format(neighbours=", ".join(around)) + ways(known))
    except OSError as error:
        sys.exit(
            f"No firewall can be made around this server ({error}). The image needs nftables,"
            " the engine's kernel nf_tables; with STUDENTS_FIREWALL=no there is none, and students"
            " reach each other's ports."
        )
    # A grandchild becomes a child of the container's first process, not of the student's server.
    if os.fork() == 0:
        if os.fork() == 0:
            os.setsid()
            signal.signal(signal.SIGHUP, signal.SIG_IGN)
            keep(names, known)
        os._exit(0)
    os.wait()


if __name__ == "__main__":
    main()
