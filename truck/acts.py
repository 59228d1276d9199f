"""What an operator may do from his page, one line an act: its effect in words, and what does it.

An act that others see at once, or that is easily meant for another, is asked twice: the first
request is answered with the effect, the second says that he is sure.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from hardware.errors import Misconfigured

Wish = dict[str, Any]


class Act(NamedTuple):
    """One thing an operator may do.

    Attributes:
        effect: what happens, of the wish; None where it is done at once.
        run: does it, with the wish and the name of who decides; says what it did under `said`.
    """

    effect: Callable[[Wish], str] | None
    run: Callable[[Wish, str], dict[str, Any]]


class Reach(NamedTuple):
    """What acts work through; None where the truck has no such thing.

    Attributes:
        rule: makes a ruling (`truck.desk.Desk.ask`).
        pause: stops (True) or lets go on (False) the sending to the cloud.
        called: a rider as people know him, by bib.
        activate: puts a stage pack of a version in force, in the name of somebody; what it said.
        freeze: holds or releases a TV board, None for all of them, in the name of somebody.
    """

    rule: Callable[[Wish], dict[str, Any]]
    pause: Callable[[bool], None]
    called: Callable[[object], str]
    activate: Callable[[int, str, str], str]
    freeze: Callable[[str | None, bool, str], None] | None = None


def acts(reach: Reach) -> Mapping[str, Act]:
    """Every act by its name."""
    called = reach.called

    def ruling(kind: str, effect: Callable[[Wish], str] | None = None) -> Act:
        def run(wish: Wish, by: str) -> dict[str, Any]:
            return reach.rule({**wish, "kind": kind, "by": by})

        return Act(effect, run)

    def sending(paused: bool, by: str) -> dict[str, Any]:
        reach.pause(paused)
        return {"said": f"sending to the cloud is {'paused' if paused else 'on again'}"}

    def activate(wish: Wish, by: str) -> dict[str, Any]:
        version = wish.get("version")
        if not isinstance(version, int) or isinstance(version, bool):
            raise Misconfigured("no pack is named", "Say its version.")
        return {"said": reach.activate(version, by, str(wish.get("note", ""))[:200])}

    def freezing(wish: Wish, on: bool, by: str) -> dict[str, Any]:
        board = wish.get("board") or None
        if reach.freeze is None:
            raise Misconfigured("this truck serves no TV boards", "See `truck run --help`.")
        if board is not None and not isinstance(board, str):
            raise Misconfigured("no board is named so", "Name one, or none for all of them.")
        reach.freeze(board, on, by)
        return {"said": f"{board or 'every TV board'} is {'frozen' if on else 'live again'}"}

    return {
        "swap": ruling("swap"),
        "reinstate": ruling("reinstate"),
        "show": ruling("show"),
        "group": ruling("group"),
        "withdraw": ruling("withdraw"),
        "confirm": ruling("confirm"),
        "dismiss": ruling("dismiss", _dismissed),
        "abandon": ruling("abandon", lambda wish: f"{called(wish.get('bib'))} {_ABANDONED}"),
        "hide": ruling("hide", lambda wish: f"{called(wish.get('bib'))} {_HIDDEN}"),
        "gap": ruling("gap", _overridden),
        "pause": Act(lambda _: _PAUSED, lambda wish, by: sending(True, by)),
        "resume": Act(None, lambda wish, by: sending(False, by)),
        "activate": Act(_activated, activate),
        "freeze": Act(_frozen, lambda wish, by: freezing(wish, True, by)),
        "release": Act(None, lambda wish, by: freezing(wish, False, by)),
    }


_PAUSED = (
    "No further batch goes to the cloud until somebody resumes. Nothing is lost: rows wait on the "
    "truck's disk."
)
_ABANDONED = "is out of the race, on every screen and in the results."
_HIDDEN = (
    "goes from every public page, feed and board until he is shown again. The record keeps him."
)


def _dismissed(wish: Wish) -> str:
    return f"Incident {wish.get('incident')} goes from every screen: it did not happen."


def _overridden(wish: Wish) -> str:
    bibs, gap_s = wish.get("bibs"), wish.get("gap_s")
    whose = ", ".join(map(str, bibs)) if isinstance(bibs, list) else "?"
    minutes = wish.get("minutes")
    until = f"for {minutes} minutes" if minutes else "until it is withdrawn"
    return f"Every screen shows {gap_s} s for bib {whose} {until}, whatever is measured."


def _activated(wish: Wish) -> str:
    return f"The truck races on pack {wish.get('version')} from its next start."


def _frozen(wish: Wish) -> str:
    what = f"The board {wish['board']}" if wish.get("board") else "Every TV board"
    return f"{what} keeps what it shows now, on air, until it is released."
