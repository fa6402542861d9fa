"""Starts configurable-http-proxy with its API on the control network only.

CONTROL_SUBNET is the network in which the API listens, such as 10.91.0.0/24. HUB_URL is the target
of requests that belong to no server. With SUBDOMAINS=yes, routes depend on the host name. The token
is in /run/secrets/proxy_token.
"""

import fcntl
import ipaddress
import os
import socket
import struct
import sys
import time
from pathlib import Path

TOKEN = Path("/run/secrets/proxy_token")
API_PORT = 8001
_SIOCGIFADDR = 0x8915  # linux/sockios.h


def own_addresses() -> list[str]:
    """Return the IPv4 addresses of this container's interfaces."""
    found = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        for _, name in socket.if_nameindex():
            request = struct.pack("256s", name.encode()[:15])
            try:
                answer = fcntl.ioctl(probe.fileno(), _SIOCGIFADDR, request)
            except OSError:
                continue  # an interface without an address
            found.append(socket.inet_ntoa(answer[20:24]))
    return found


def api_address(subnet: str) -> str:
    """Return this container's address in the network; wait up to 10 s until it is connected."""
    network = ipaddress.ip_network(subnet)
    for _ in range(100):
        for address in own_addresses():
            if ipaddress.ip_address(address) in network:
                return address
        time.sleep(0.1)
    sys.exit(f"This container has no address in CONTROL_SUBNET={subnet}.")


def healthy() -> int:
    """Check for Docker whether the public port responds. :returns: the exit status"""
    try:
        with socket.create_connection(("127.0.0.1", 8000), timeout=4):
            return 0
    except OSError:
        return 1


def main() -> None:
    """Replace this process with the proxy."""
    if sys.argv[1:] == ["--healthy"]:
        sys.exit(healthy())
    try:
        token = TOKEN.read_text().strip()
        subnet, hub = os.environ["CONTROL_SUBNET"], os.environ["HUB_URL"]
    except OSError as error:
        sys.exit(f"Cannot read the proxy's token: {error}.")
    except KeyError as error:
        sys.exit(f"{error.args[0]} is not set.")
    words = ["/opt/proxy/node"]
    words.append("/opt/proxy/node_modules/configurable-http-proxy/bin/configurable-http-proxy")
    words += ["--ip", "0.0.0.0", "--port", "8000"]  # noqa: S104 - the public port
    words += ["--api-ip", api_address(subnet), "--api-port", str(API_PORT)]
    words += ["--default-target", hub, "--error-target", f"{hub}/hub/error"]
    if os.environ.get("SUBDOMAINS") == "yes":
        words.append("--host-routing")
    os.execve(words[0], words, {**os.environ, "CONFIGPROXY_AUTH_TOKEN": token})


if __name__ == "__main__":
    main()
