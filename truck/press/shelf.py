"""What lies ready for the press, stage by stage, and whether an operator has released it.

HOME/press/<stage label>/   results.csv  results.pdf  report.pdf  release.json

A release names the SHA-256 of each file: papers made again are held back until somebody has looked
at them and released those.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hardware.errors import Damaged, Misconfigured
from hardware.keys import write_file

RESULTS_CSV, RESULTS_PDF, REPORT_PDF = PAPERS = ("results.csv", "results.pdf", "report.pdf")
SCHEMA = "truck.press-release/1"
_RELEASE = "release.json"


@dataclass(frozen=True)
class Shelf:
    """A truck's papers for the press."""

    folder: Path

    def stages(self) -> list[str]:
        """Labels of the stages that have papers, in order of their names."""
        if not self.folder.is_dir():
            return []
        return sorted(p.name for p in self.folder.iterdir() if (p / REPORT_PDF).is_file())

    def put(self, label: str, papers: Mapping[str, bytes]) -> Path:
        """Lay a stage's papers down, each whole or not at all; returns their folder.

        Raises:
            Misconfigured: the folder cannot be written.
        """
        place = self.folder / label
        for name, data in papers.items():
            write_file(place / name, data, 0o644)
        return place

    def decide(self, label: str, by: str, at: str, *, released: bool) -> dict[str, Any]:
        """Release a stage's papers as they are now, or hold them back again.

        Args:
            label: of the stage.
            by: who decides.
            at: when, ISO 8601.
            released: or held back.

        Raises:
            Misconfigured: there are no papers of that stage.
        """
        if label not in self.stages():
            known = ", ".join(self.stages()) or "none"
            raise Misconfigured(
                f"there are no papers of stage {label!r}; there are of: {known}",
                "Make them with `truck press report`.",
            )
        decisions = [*self.decisions(label)]
        papers = {name: self._digest(label, name) for name in PAPERS}
        decisions.append({"released": released, "by": by, "at": at, "sha256": papers})
        document = {"schema": SCHEMA, "stage": label, "decisions": decisions}
        text = json.dumps(document, indent=2) + "\n"
        write_file(self.folder / label / _RELEASE, text.encode(), 0o644)
        return decisions[-1]

    def decisions(self, label: str) -> list[dict[str, Any]]:
        """Who released or held back, and when; the last one holds.

        Raises:
            Damaged: when the file is none of ours.
        """
        path = self.folder / label / _RELEASE
        try:
            document = json.loads(path.read_bytes())
            if document["schema"] != SCHEMA:
                raise ValueError(document["schema"])
            return [dict(one) for one in document["decisions"]]
        except FileNotFoundError:
            return []
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise Damaged(f"{path} is no record of releases; remove it to hold back") from error

    def released(self, label: str, name: str) -> bytes | None:
        """A paper, if just these bytes were released; None while they are held back.

        Raises:
            Misconfigured: there is no such paper.
            Damaged: the record of releases is none.
        """
        if label not in self.stages() or name not in PAPERS:
            raise Misconfigured(f"there is no {name} of {label!r}", "See /press/.")
        decisions = self.decisions(label)
        if not decisions or not decisions[-1]["released"]:
            return None
        data = (self.folder / label / name).read_bytes()
        known = decisions[-1].get("sha256", {}).get(name)
        return data if hashlib.sha256(data).hexdigest() == known else None

    def _digest(self, label: str, name: str) -> str:
        return hashlib.sha256((self.folder / label / name).read_bytes()).hexdigest()
