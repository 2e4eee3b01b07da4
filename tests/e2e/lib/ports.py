"""Ports for programs that listen by themselves. Tests run beside each other, and each port is given to one of them only: it belongs to
this process as long as it lives, though nobody listens on it yet, or no more, or (what a test calls a dead port) never."""
import random
import socket

LOWEST, HIGHEST = 10240, 65535
_held = []


def _places():
    """The ports that the kernel gives to nobody by itself: one of its own choice might be any connection's before it is used here."""
    with open("/proc/sys/net/ipv4/ip_local_port_range", encoding="ascii") as file:
        first, last = (int(word) for word in file.read().split())
    return list(range(LOWEST, max(first, LOWEST))) + list(range(last + 1, HIGHEST + 1))


def _claim(port):
    """True when nobody has it. The claim is a name in the network's own namespace (unix(7), abstract), which ends with the process."""
    claim = socket.socket(socket.AF_UNIX)
    try:
        claim.bind(f"\0aquifer-test-port-{port}")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
    except OSError:
        claim.close()
        return False
    _held.append(claim)
    return True


def free_ports(count):
    """So many different ports on 127.0.0.1, claimed until this process ends."""
    places = _places()
    random.shuffle(places)
    found = []
    while places and len(found) < count:
        port = places.pop()
        if _claim(port):
            found.append(port)
    if len(found) < count:
        raise AssertionError(f"no {count} free ports outside of net.ipv4.ip_local_port_range")
    return found
