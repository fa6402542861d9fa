"""Allows this container to connect only to the given hosts in its network.

    python3 -I -S firewall.py hub proxy

Students' containers share a network, in which each could otherwise reach every port of the others.
The rules are in this container's network namespace and need CAP_NET_ADMIN, which the student's
programs do not have. They apply to outgoing connections: the hub and the proxy can always connect
to the container.

The rules are active when this program returns. A child process keeps running to update the
addresses when the hub or the proxy is replaced. If it exits, new addresses stay blocked.
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
#: Seconds between two checks of the addresses. Until then, packets to a new address are dropped,
#: not rejected, so that TCP sends them again after 1 s and 3 s.
CHECK_SECONDS = 2.0
RULES = """
table inet classroom {{
  set neighbours {{
    type ipv4_addr
    flags interval
    elements = {{ {neighbours} }}
  }}
  set allowed {{
    type ipv4_addr
  }}
  chain output {{
    type filter hook output priority filter; policy accept;
    oifname "lo" accept
    ct state established,related accept
    ip daddr @neighbours ip daddr != @allowed drop
    meta nfproto ipv6 meta l4proto != 58 drop comment "58: ICMPv6"
  }}
}}
"""


def neighbours(table: str) -> list[str]:
    """Return the directly connected networks in a routing table (/proc/net/route).

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
    """Parse an address of the table, which is in the machine's byte order."""
    return ipaddress.IPv4Address(int(number, 16).to_bytes(4, sys.byteorder))


def allow(addresses: Iterable[str]) -> str:
    """Return the commands that atomically replace the allowed addresses."""
    elements = ", ".join(sorted(addresses))
    added = f"add element inet classroom allowed {{ {elements} }}\n" if elements else ""
    return "flush set inet classroom allowed\n" + added


def look_up(names: Iterable[str]) -> set[str]:
    """Return the current IPv4 addresses of the names; unknown names are skipped."""
    found: set[str] = set()
    for name in names:
        try:
            answers = socket.getaddrinfo(name, None, socket.AF_INET, socket.SOCK_STREAM)
        except OSError:
            continue
        found.update(str(answer[4][0]) for answer in answers)
    return found


def load(rules: str) -> None:
    """Load rules. :raises OSError: nft failed; the message has the reason"""
    ran = subprocess.run(  # noqa: S603 - fixed program
        [NFT, "-f", "-"], input=rules, capture_output=True, text=True, check=False
    )
    if ran.returncode:
        raise OSError(
            ran.stderr.strip().partition("\n")[0] or f"nft exited with status {ran.returncode}"
        )


def follow(names: list[str], known: set[str]) -> None:
    """Update the allowed addresses when they change; never returns."""
    while True:
        time.sleep(CHECK_SECONDS)
        found = look_up(names)
        # If no name resolves, the DNS server is unavailable.
        if not found or found == known:
            continue
        try:
            load(allow(found))
            known = found
        except OSError as error:
            print(f"firewall: {error}", file=sys.stderr, flush=True)


def main() -> None:
    """Load the rules and start the process that updates them."""
    names = sys.argv[1:]
    known = look_up(names)
    try:
        networks = neighbours(Path("/proc/net/route").read_text(encoding="ascii"))
        load(RULES.format(neighbours=", ".join(networks)) + allow(known))
    except OSError as error:
        sys.exit(
            f"Cannot set up the firewall of this server ({error}). It needs nftables in the image"
            " and nf_tables in the kernel. STUDENTS_FIREWALL=no disables it; students can then"
            " reach each other's ports."
        )
    # The grandchild becomes a child of the container's first process instead of the student's
    # server.
    if os.fork() == 0:
        if os.fork() == 0:
            os.setsid()
            signal.signal(signal.SIGHUP, signal.SIG_IGN)
            follow(names, known)
        os._exit(0)
    os.wait()


if __name__ == "__main__":
    main()
