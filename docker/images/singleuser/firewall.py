"""Let this container connect to none of its neighbours but those whose names are given.

    python3 -I -S firewall.py hub proxy

Students' containers share a network, in which each would reach every port of each other's. The
rules are in this container's own network namespace and need CAP_NET_ADMIN, which no program of the
student has. They are about what goes out: hub and proxy always get in, wherever they are.

When this returns the rules hold; a child stays, as hub and proxy have other addresses when they are
replaced. Should it ever end, the way to those who are new stays shut.
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
#: Seconds between two looks at the addresses. What is sent to a new one meanwhile is dropped and
#: not refused: TCP sends it again after 1 s and 3 s.
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
    """The networks that begin at our own interfaces, by the kernel's table (/proc/net/route).

    :raises OSError: there is none
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
    """An address of the table, which has its bytes as the machine has them in a number."""
    return ipaddress.IPv4Address(int(number, 16).to_bytes(4, sys.byteorder))


def ways(addresses: Iterable[str]) -> str:
    """The rules that leave open the way to these addresses and no longer any other, in one step."""
    elements = ", ".join(sorted(addresses))
    added = f"add element inet classroom ways {{ {elements} }}\n" if elements else ""
    return "flush set inet classroom ways\n" + added


def look_up(names: Iterable[str]) -> set[str]:
    """The IPv4 addresses that the names have now; a name that is none at the moment has none."""
    found: set[str] = set()
    for name in names:
        try:
            answers = socket.getaddrinfo(name, None, socket.AF_INET, socket.SOCK_STREAM)
        except OSError:
            continue
        found.update(str(answer[4][0]) for answer in answers)
    return found


def load(rules: str) -> None:
    """Have the kernel hold to rules. :raises OSError: it does not; the text says why"""
    ran = subprocess.run(  # noqa: S603 - words of ours
        [NFT, "-f", "-"], input=rules, capture_output=True, text=True, check=False
    )
    if ran.returncode:
        raise OSError(ran.stderr.strip().partition("\n")[0] or f"nft ended with {ran.returncode}")


def keep(names: list[str], known: set[str]) -> None:
    """Follow the names' addresses, for ever."""
    while True:
        time.sleep(LOOK_SECONDS)
        found = look_up(names)
        # Where nobody is found it is the name service that is away.
        if not found or found == known:
            continue
        try:
            load(ways(found))
            known = found
        except OSError as error:
            print(f"firewall: {error}", file=sys.stderr, flush=True)


def main() -> None:
    """Load the rules and leave behind who keeps them."""
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
    # The child of a child belongs to the container's first process and not to the student's server.
    if os.fork() == 0:
        if os.fork() == 0:
            os.setsid()
            signal.signal(signal.SIGHUP, signal.SIG_IGN)
            keep(names, known)
        os._exit(0)
    os.wait()


if __name__ == "__main__":
    main()
