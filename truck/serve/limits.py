"""How often one address or one token may ask: buckets that refill, in a table that stays small."""

import ipaddress
from collections import OrderedDict

ROWS_MAX = 8192


class Buckets:
    """A bucket a name: `burst` at once, `per_s` on and on; the longest unused is forgotten."""

    def __init__(self, per_s: float, burst: float, rows_max: int = ROWS_MAX) -> None:
        self._per_s, self._burst, self._rows_max = per_s, burst, rows_max
        self._rows: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._rows)

    def take(self, name: str, now_s: float) -> float:
        """One from a bucket: 0 where there was one, else how many seconds until there is."""
        left, at_s = self._rows.pop(name, (self._burst, now_s))
        left = min(self._burst, left + max(0.0, now_s - at_s) * self._per_s)
        wait_s = 0.0 if left >= 1.0 else (1.0 - left) / self._per_s
        self._rows[name] = (left - 1.0 if left >= 1.0 else left, now_s)
        if len(self._rows) > self._rows_max:
            self._rows.popitem(last=False)
        return wait_s


def neighbourhood(host: str) -> str:
    """What counts as one address: an IPv4 address, or the /64 that one IPv6 user has."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.IPv6Network((int(address) >> 64 << 64, 64)))
