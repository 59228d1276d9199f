"""What is wrong at present, one sentence a matter, as the status shows it."""

import structlog

from hardware.errors import Misconfigured, TruckError


class Troubles:
    """Set and cleared by whoever meets a trouble, or no longer does."""

    def __init__(self) -> None:
        self._open: dict[str, TruckError] = {}
        self._log = structlog.get_logger()
        self.last = ""
        """The last sentence, whether or not it still holds."""

    def set(self, about: str, error: TruckError) -> None:
        """It is so from now on; logged when the sentence is another one."""
        known = self._open.get(about)
        self._open[about] = error
        self.last = str(error)
        if known is None or str(known) != str(error):
            self._log.warning("trouble", about=about, error=str(error))

    def clear(self, about: str) -> None:
        """It is no longer so."""
        self._open.pop(about, None)

    @property
    def for_the_operator(self) -> bool:
        """Whether one of them is his to mend."""
        return any(isinstance(trouble, Misconfigured) for trouble in self._open.values())

    def rows(self) -> dict[str, str]:
        """The sentences, by what they are about."""
        return {about: str(error) for about, error in self._open.items()}
