"""The running truck: its threads, what supervises them, and its status.

    custody     take -> judge -> journal -> acknowledge       waits for nobody
    live        records -> race state -> a frame a second      reads the journal if it falls behind
    keeper      rows -> DuckDB                                 bounded queue, mends the view
    replicate   committed rows -> sealed batches               bounded by what is not sealed yet
    main        broker, roster, status

A thread that ends unexpectedly ends the truck: stopping is a crash, and a start mends it.
"""

import threading
from contextlib import ExitStack
from typing import Any

from cloud_sync.cloud_copy import Access, CloudCopy
from cloud_sync.status import rows_reached, set_paused, spool_status
from hardware import clock, home, supervisor
from hardware.errors import Damaged, Misconfigured, TruckError
from hardware.keys import Credentials
from truck.alarms import Alarms
from truck.broker import Broker
from truck.complete import answer_complete
from truck.config import TruckConfig, TruckHome
from truck.custody import Custody
from truck.desk import Desk, Known
from truck.doors import Doors
from truck.editions import Editions
from truck.flow import Flow
from truck.handover import Handover
from truck.intake import Intake
from truck.keeper import Keeper
from truck.latency import Latency
from truck.live import Live
from truck.nodes import Nodes
from truck.office import make_office
from truck.onair import OnAir
from truck.opening import Progress, TruckKeys, begin, journalled, open_truck, remember
from truck.pipeline import Pipeline
from truck.questions import Answers, Questions, text_of_stage
from truck.replication import Replication, Turn
from truck.screen import Screen, moments_of
from truck.serve.channels import Channels
from truck.serve.feed import encode_course
from truck.serve.hub import Hub
from truck.serve.metrics import routes as metrics
from truck.serve.site import routes
from truck.store.export import Readings, biometrics, query
from truck.store.stored import Reached

STATUS_SCHEMA = "truck.status/1"
_FRAME_S = 1.0


class Service:
    """One truck, from opening to the last seal."""

    def __init__(
        self, folder: TruckHome, config: TruckConfig, each: Progress | None = None
    ) -> None:
        """Open everything that can refuse, before any thread runs.

        Raises:
            TruckError: with the sentence for the operator.
        """
        self._home, self._config = folder, config
        self._clock = clock.from_environment()
        self._held = home.lock(folder.folder, "truck")
        self._stop = threading.Event()
        self._supervisor = supervisor.from_environment()
        self._error: BaseException | None = None
        self.alarms = Alarms()
        self._sealing = ExitStack()
        self._credentials = Credentials(config.credentials)
        truck_keys = TruckKeys.read(self._credentials)
        self._credentials.check_tls()
        try:
            folder.run.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise Misconfigured(
                f"cannot write {folder.run}: {error.strerror}", "Choose a folder you may write."
            ) from error
        self._broker = Broker(folder.run, config.broker_host, config.broker_port, self._credentials)
        self._opened = open_truck(folder, config, truck_keys, each)
        self.notes = self._opened.notes
        journalled(lambda: begin(self._opened, config, self._credentials))
        view, journal = self._opened.view, self._opened.journal
        if view.roster is None or view.race is None:
            raise Damaged(f"journal {folder.journal} names no roster and stage")
        now_us = self._clock.now_us
        self._pipeline = Pipeline(view.roster, truck_keys.event)
        remember(self._pipeline, self._opened.store, now_us())
        self._latency = Latency(self._clock.wall_s(1.0))
        self._handover = Handover(journal.next_record)
        self._keeper = Keeper(
            self._opened.store, journal, folder, truck_keys, self.alarms,
            lambda record: self._latency.committed(record, now_us()),
        )  # fmt: skip
        self._live = Live(view, journal, self._handover, self._keeper, self._latency, now_us)
        self._intake = Intake(
            self._broker.listener, self._credentials, view.roster.event_id, truck_keys.signing,
            now_us,
        )  # fmt: skip
        self._nodes = Nodes(
            folder.nodes, lambda: self._pipeline.roster, self._credentials.authority(),
            truck_keys.signing, self._intake, self.alarms,
        )  # fmt: skip
        self._intake.on_heartbeat = self._nodes.arrived
        self._custody = Custody(
            journal, self._pipeline, self._intake, self._handover, self.alarms, now_us,
            config.free_bytes_min,
        )  # fmt: skip
        starters = frozenset(starter.bib for starter in view.race.stage.startlist)
        known = Known(starters, lambda: self._pipeline.roster, self._has_incident)
        self._desk = Desk(
            view.rulings, known, journal, self._handover, truck_keys.signing, now_us
        )  # fmt: skip
        access = Access(config.recipients, config.bio_recipients, config.keyset, config.keyset_root)
        copy = CloudCopy(
            folder.outbox, config.stream, truck_keys.signing, truck_keys.store, access,
            Readings(lambda: self._keeper.store), biometrics(lambda: self._keeper.store),
        )  # fmt: skip
        self._sealing.callback(copy.close)
        turns: list[Turn] = []
        if copy.turns:
            turns = [*copy.turns, lambda *_: self._tell_of(copy)]
            if copy.ledger is not None:
                turns.append(Editions(lambda: self._keeper.store, copy.ledger).turn)
        else:
            self.alarms.set(
                "cloud", "nobody is named to open the cloud copy, so nothing is sealed",
                "Make two keys with `cloud-sync keygen` and name them under recipients.",
            )  # fmt: skip
        self._told: dict[str, bytes] = {}
        self._replication = Replication(turns, self.alarms, self._clock.now_s)
        self._hub = Hub()
        stage, course = view.race.stage, view.race.course
        channels = Channels(stage, course, moments_of(stage, self._opened.store))
        self._doors = Doors(
            folder, config, self._credentials, view.roster.event, truck_keys.signing, self.alarms
        )
        self._on_air = OnAir(config, stage, course, self._doors.audit, self.alarms)
        self._screen = Screen(
            self._hub, channels, self._live, self._custody, self._latency, self.alarms, self._cloud,
            self._clock, self._on_air.show,
        )  # fmt: skip
        self._course, self._road = encode_course(stage, course), course

    def _tell_of(self, copy: CloudCopy) -> None:
        if copy.problem:
            self.alarms.set("keyset", copy.problem, "Until then the one held is sealed by.")
        else:
            self.alarms.clear("keyset")
        if copy.forked:
            self.alarms.set(
                "cloud-epoch", f"the cloud copy began anew under another name: {copy.forked}",
                "Keep the old one as evidence, and tell the cloud team to read the new one.",
            )  # fmt: skip
        for stream, beat in copy.heads().items():
            if self._told.get(stream) != beat:
                self._told[stream] = beat
                self._intake.publish_head(stream, beat)

    def run(self) -> None:
        """Run until `stop`; everything is closed and sealed when this returns.

        Raises:
            TruckError: what ended the truck.
        """
        with self._sealing, ExitStack() as held:
            held.callback(self._opened.journal.close)
            held.callback(lambda: self._keeper.store.close())
            held.callback(self._pipeline.close)
            held.callback(self._broker.stop)
            self._broker.start(clock.sleep_s)
            held.callback(self._on_air.open())
            config = self._config
            shown = routes(self._hub, self._course, self._home, self._road, config.public_copy)
            held.callback(self._doors.open_public(self._hub, shown + self._on_air.routes()).stop)
            office = make_office(
                self._home, self._config, self._doors.audit, self._screen, self._live,
                lambda: self._keeper.store, status=self.status, rule=self._desk.ask,
                complete=lambda: self._complete(None),
                pause=lambda paused: set_paused(self._home.outbox, paused=paused),
                freeze=self._on_air.boards.freeze,
            )  # fmt: skip
            held.callback(self._doors.open_operators(office, metrics(self._hub, self.status)).stop)
            answers: Answers = {
                "sql": lambda sql: query(self._keeper.store, sql),
                "ruling": self._doors.commanded(self._desk.ask),
                "complete": self._complete,
                "stage": lambda _: text_of_stage(self._opened.journal),
            }
            questions = Questions(self._home.socket, answers)
            held.callback(questions.close)
            self._intake.start()
            self._flow()
        home.write_status(self._home.folder, self.status() | {"state": "stopped"})
        if self._error is not None:
            raise self._error

    def _flow(self) -> None:
        """The threads, from packets to the cloud."""
        loops = {
            "custody": self._keep_custody,
            "live": self._show,
            "keeper": self._keep_view,
            "replicate": self._replication.run,
        }
        flow = Flow(loops, self._fail)
        try:
            self._supervisor.ready()
            turned = 0
            while not self._stop.wait(1.0):
                self._supervise()
                if self._custody.turns != turned:  # the watchdog waits for custody, not for us
                    turned = self._custody.turns
                    self._supervisor.alive(clock.monotonic_s())
        finally:
            self._supervisor.stopping()
            flow.end()
        if self._error is None:
            journalled(self._opened.journal.seal)

    @property
    def pages(self) -> str:
        """Where the public looks and operators act, for the terminal."""
        return self._doors.told(self._home.folder)

    def stop(self) -> None:
        """End `run`; may be called from a signal handler."""
        self._stop.set()

    def status(self) -> dict[str, Any]:
        """Everything the operator asks, schema truck.status/1."""
        return {
            "schema": STATUS_SCHEMA,
            "state": "running",
            "at_s": self._clock.now_s(),
            "stream": self._config.stream,
            "page": self._doors.page,
            "operator_page": self._doors.operator_page,
            "turned_away": self._doors.refused(),
            "broker": {
                "running": self._broker.is_running(),
                "pid": self._broker.pid,
                "connected": self._intake.is_connected,
                "tls": self._broker.listener.tls,
            },
            "journal": {"records": self._handover.end},
            "behind": {
                "live_records": self._live.behind_records,
                "view_records": self._keeper.behind_records,
            },
            **self._screen.fares(),
            "relays": self._nodes.rows(self._custody, self._clock),
            "rulings": self._desk.in_force(),
            "notes": self.notes,
        }

    def _cloud(self) -> dict[str, Any]:
        if not (self._config.recipients or self._config.keyset):
            return {"state": "off"}
        try:
            return spool_status(self._home.outbox, self._clock.now_s())
        except TruckError as error:
            return {"state": "unknown", "error": str(error)}

    def _complete(self, stage: str | None) -> dict[str, Any]:
        stream = self._config.stream
        reached = Reached(*rows_reached(self._home.outbox, stream))
        return answer_complete(self._keeper.store, stream, stage, reached)

    def _has_incident(self, number: int) -> bool:
        sql = f"SELECT 1 FROM incidents WHERE incident = {number:d} LIMIT 1"  # noqa: S608 a number
        return bool(query(self._keeper.store, sql).num_rows)

    def _fail(self, error: BaseException) -> None:
        self._error = self._error or error
        self._stop.set()

    def _keep_custody(self, end: threading.Event) -> None:
        tick_s = self._config.tick_s
        while not end.is_set():
            began_s = clock.monotonic_s()
            pause_s = self._custody.turn(tick_s)
            self._desk.turn()
            self._custody.look_for_roster(self._credentials)
            end.wait(max(pause_s, tick_s - (clock.monotonic_s() - began_s)))
        self._custody.turn(0.0)
        self._desk.turn()
        self._intake.stop()

    def _show(self, end: threading.Event) -> None:
        next_s = clock.monotonic_s()
        while not end.is_set():
            self._live.turn(min(0.2, max(0.0, next_s - clock.monotonic_s())))
            if clock.monotonic_s() >= next_s:
                self._screen.publish()
                next_s = max(next_s + _FRAME_S, clock.monotonic_s())
        while self._live.turn(0.0):
            pass
        self._screen.publish()

    def _keep_view(self, end: threading.Event) -> None:
        while not end.is_set() or self._keeper.behind_records:
            self._keeper.turn(0.2)

    def _supervise(self) -> None:
        """Once a second: the broker lives, the link to it holds, the status is written."""
        self._intake.keep_alive()
        self._nodes.turn()
        self._doors.turn()
        if not self._broker.is_running():
            self.alarms.set("broker", "the broker ended; it is started again", "Nothing to do.")
            try:
                self._broker.start(clock.sleep_s)
            except TruckError as error:
                self.alarms.set("broker", str(error), f"See {self._broker.log}.")
        elif self._intake.is_connected:
            self.alarms.clear("broker")
        elif self._intake.last_error:
            self.alarms.set("broker", self._intake.last_error, f"See {self._broker.log}.")
        try:
            home.write_status(self._home.folder, self.status())
        except Misconfigured as error:
            self.alarms.set("status", str(error), "Free space on the truck's disk.")
        else:
            self.alarms.clear("status")
