"""Let nobody connect to this container but those whose names are given: the hub and the proxy.

    python3 -I -S firewall.py tasks.hub tasks.proxy

Students' containers share a network, in which each would reach every port of each other's. The
rules are in this container's own network namespace and need CAP_NET_ADMIN, which no program of the
student has. When this returns they hold; a child stays, as hub and proxy have other addresses when
they are replaced. Should it ever end, those who are in stay in and nobody new comes.
"""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterable

NFT = "/usr/sbin/nft"
#: Seconds between two looks at the addresses: a connection's second attempt comes after one.
LOOK_SECONDS = 2.0
RULES = """
table inet classroom {
  set ways {
    type ipv4_addr
  }
  chain input {
    type filter hook input priority filter; policy drop;
    iifname "lo" accept
    ct state established,related accept
    meta l4proto 58 accept comment "ICMPv6; a bare Debian does not know its name"
    ip saddr @ways accept
  }
}
"""


def ways(addresses: Iterable[str]) -> str:
    """The rules that let in these addresses and no longer any others, in one step."""
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
        load(RULES + ways(known))
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
