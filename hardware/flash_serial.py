"""Flashes transponders over serial ports, many at once: look, write the other slot, read back.

What a chip says of itself decides who it is; a blank one must be named. A write that fails, or
reads back as something else, is tried once more; then the chip has failed, in one sentence that
says what it holds now. Its old configuration is never touched before the new one is proven whole.
"""

import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from hardware import flash_ledger
from hardware.chip import read_region, write_slot
from hardware.clock import Clock
from hardware.crew import Crew, Member, Role
from hardware.errors import Damaged, Misconfigured, Refused, TruckError, Unavailable
from hardware.nvs import TransponderConfig
from hardware.partitions import A, B, Slot, active
from hardware.transponders import Flashed, State, Workshop

_PORTS_AT_ONCE = 8
_ATTEMPTS = 2
_PROVEN = "NVS and keys read back by esptool, every byte the same, and parsed to the same keys"


def flash_ports(
    event: Path,
    crew: Crew,
    ports: Mapping[str, str | None],
    *,
    by: str,
    clock: Clock,
    resume: bool,
    told: Callable[[Flashed], None],
) -> list[Flashed]:
    """Flash the transponder on each port and put the proven ones into the next roster.

    Args:
        event: the event's folder.
        crew: the sheet.
        ports: the serial or name of the transponder on each port, None to ask the chip.
        by: who of the crew does it.
        clock: for ledger lines and the order of configurations.
        resume: leave alone what is proven and still says what the sheet says.
        told: called for each as it is finished, from this thread.

    Raises:
        Misconfigured: a port's name is not on the sheet, or two ports have one.
        TruckError: what the event's folder, the ledger or the authority raise; what was proven
            until then is kept, and `resume` goes on from there.
    """
    named = {port: _transponder(crew, name) if name else None for port, name in ports.items()}
    asked = [member.serial for member in named.values() if member]
    if len(asked) > len(set(asked)):
        raise Misconfigured("two ports have one transponder", "Name each once.")
    bench = _Bench(event, crew, by, clock, resume)
    results: list[Flashed] = []
    with ThreadPoolExecutor(_PORTS_AT_ONCE) as pool:
        waiting = {pool.submit(bench.flash, port, named[port]): port for port in ports}
        for done in as_completed(waiting):
            results.append(done.result())
            told(results[-1])
    proven = [r.member for r in results if r.state is not State.FAILED]
    bench.workshop.enrol(proven, clock.now_s())
    return results


def _transponder(crew: Crew, name: str) -> Member:
    member = crew.named(name)
    if member.role is Role.RELAY:
        raise Misconfigured(f"{name} is a relay", "A relay is flashed with its card.")
    return member


class _Bench:
    """Flashes one chip at a time, in each of its threads."""

    def __init__(self, event: Path, crew: Crew, by: str, clock: Clock, resume: bool) -> None:
        self.workshop = Workshop(event, crew.transponders)
        self._crew, self._by, self._clock, self._resume = crew, by, clock, resume
        self._lock = threading.Lock()
        self._ports: dict[str, str] = {}  # of each serial

    def flash(self, port: str, named: Member | None) -> Flashed:
        """Flash what is on a port; never an error that stops the batch."""
        member = named
        why = ""
        for _ in range(_ATTEMPTS):
            try:
                slot, found = _look(read_region(port))
                member = self._who(port, named, found)
                self._only_once(port, member)
                if self._resume and self.workshop.is_proven(member, found):
                    return Flashed(member, port, State.KEPT, "proven already, left as it is")
                return self._write(port, member, slot, found)
            except (Unavailable, Damaged) as error:
                why = str(error)
            except (Refused, Misconfigured) as error:
                why = str(error)
                break
        return Flashed(member or _nobody(port), port, State.FAILED, f"{why}; {_now_on(port)}")

    def _write(
        self, port: str, member: Member, slot: Slot | None, found: TransponderConfig | None
    ) -> Flashed:
        made = self.workshop.make(member, self._clock.now_s(), B if slot is A else A, found)
        write_slot(port, made.image)
        back = read_region(port)
        into = made.image.slot
        if (into.nvs.of(back), into.keys.of(back)) != (made.image.nvs, made.image.keys):
            raise Damaged(f"{port}: what was read back is not what was written")
        if active(back) != (into, made.config):
            raise Damaged(f"{port}: the new configuration is not the one that counts")
        entry = made.record.entry(member, port, self._by, self._clock.now_s(), _PROVEN)
        flash_ledger.append(self.workshop.event, [entry])
        self.workshop.keep(made.record)
        return Flashed(member, port, State.PROVEN, f"device {made.config.device}, read back")

    def _who(self, port: str, named: Member | None, found: TransponderConfig | None) -> Member:
        """The sheet's line of the chip on a port."""
        if named is not None and found is not None and found.serial != named.serial:
            raise Misconfigured(
                f"{port}: the chip says it is {found.serial}, not {named.serial}",
                "Look at the case, and change the cable or the name.",
            )
        if named is not None:
            return named
        if found is None:
            raise Misconfigured(
                f"{port}: the chip holds no configuration that says who it is",
                f"Name it: --serial {port}=SERIAL, as on its case.",
            )
        return _transponder(self._crew, found.serial)

    def _only_once(self, port: str, member: Member) -> None:
        with self._lock:
            fresh = member.serial not in self._ports
            other = self._ports.setdefault(member.serial, port)
            if fresh and not self._resume:
                self.workshop.ask([member.serial], self._clock.now_s())
        if other != port:
            raise Misconfigured(
                f"{port}: the chip on {other} says too that it is {member.serial}",
                "Look at both cases, and flash each by itself.",
            )


def _look(region: bytes) -> tuple[Slot | None, TransponderConfig | None]:
    try:
        return active(region)
    except Refused:
        return None, None


def _now_on(port: str) -> str:
    """What the chip holds after a failure."""
    try:
        _, config = _look(read_region(port))
    except TruckError:
        return "what it holds is not known: plug it in again and use --resume"
    if config is None:
        return "it holds no configuration"
    return f"it holds the configuration of {config.serial}, generation {config.generation}, whole"


def _nobody(port: str) -> Member:
    return Member(0, Role.SPARE, port, port)
