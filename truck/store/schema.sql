-- The view of the journal. Append-only; every value follows from journal records alone, so that
-- `truck rebuild` makes each table again, identical. Times are UTC.

-- one row a fix; row_id has no holes and is what replication counts by
CREATE TABLE readings (
    row_id          BIGINT NOT NULL,
    record          BIGINT NOT NULL,   -- the journal record that holds the packet
    device          INTEGER NOT NULL,
    generation      UTINYINT NOT NULL,
    boot            USMALLINT NOT NULL,
    seq             UINTEGER NOT NULL,
    fix_index       UTINYINT NOT NULL,
    digest          UBIGINT NOT NULL,  -- BLAKE2b-64 of the packet as heard
    bib             INTEGER NOT NULL,  -- 0: bound to nobody
    live            BOOLEAN NOT NULL,
    measured_at     TIMESTAMPTZ NOT NULL,
    heard_at        TIMESTAMPTZ NOT NULL,
    received_at     TIMESTAMPTZ NOT NULL,
    relay           VARCHAR NOT NULL,
    rssi_dbm        TINYINT NOT NULL,
    latitude_deg    DOUBLE,
    longitude_deg   DOUBLE,
    altitude_m      DOUBLE,
    speed_mps       DOUBLE,
    course_deg      DOUBLE,
    power_w         DOUBLE,
    heart_rate_bpm  DOUBLE,
    cadence_rpm     DOUBLE,
    accuracy_m      DOUBLE,
    fix             UTINYINT NOT NULL,
    sos             BOOLEAN NOT NULL,
    impact          BOOLEAN NOT NULL,
    battery         UTINYINT,          -- fourteenths of full
    distance_m      DOUBLE,            -- along the course as known at the time; never rewritten
    to_go_m         DOUBLE,
    lateral_m       DOUBLE,
    gradient_pct    DOUBLE,
    lap             SMALLINT,
    quality         TINYINT NOT NULL,
    stage           VARCHAR NOT NULL   -- the label of the stage in force; '' before there was one
);

-- further hearings of a packet: the same bytes from another relay, or again
CREATE TABLE hearings (
    record          BIGINT NOT NULL,
    device          INTEGER NOT NULL,
    boot            USMALLINT NOT NULL,
    seq             UINTEGER NOT NULL,
    relay           VARCHAR NOT NULL,
    heard_at        TIMESTAMPTZ NOT NULL,
    received_at     TIMESTAMPTZ NOT NULL,
    rssi_dbm        TINYINT NOT NULL
);

-- every bundle the truck has promised to keep
CREATE TABLE bundles (
    record          BIGINT NOT NULL,
    relay           VARCHAR NOT NULL,
    boot            BIGINT NOT NULL,
    number          BIGINT NOT NULL,
    digest          UBIGINT NOT NULL
);

CREATE TABLE refusals (
    record          BIGINT NOT NULL,
    judged_at       TIMESTAMPTZ NOT NULL,
    reason          VARCHAR NOT NULL,
    key             VARCHAR NOT NULL,
    count           BIGINT NOT NULL
);

CREATE TABLE evidence (
    record          BIGINT NOT NULL,
    reason          VARCHAR NOT NULL,
    key             VARCHAR NOT NULL,
    relay           VARCHAR NOT NULL,
    received_at     TIMESTAMPTZ NOT NULL,
    data            BLOB NOT NULL
);

-- what operators decided; nothing is ever changed, a ruling is taken back by a further one
CREATE TABLE rulings (
    record          BIGINT NOT NULL,
    number          BIGINT NOT NULL,
    decided_at      TIMESTAMPTZ NOT NULL,
    decided_by      VARCHAR NOT NULL,
    kind            VARCHAR NOT NULL,
    said            VARCHAR NOT NULL,  -- the decision in words
    bib             BIGINT,
    device          BIGINT,
    incident        BIGINT,
    gap_s           DOUBLE,
    bibs            BIGINT[] NOT NULL,
    until           TIMESTAMPTZ,
    withdraws       BIGINT,            -- the number of the ruling taken back
    note            VARCHAR NOT NULL
);

-- what was said of incidents: raised, changed, cleared; the last row of an id is how it stands
CREATE TABLE incidents (
    record          BIGINT NOT NULL,
    incident        BIGINT NOT NULL,
    said_at         TIMESTAMPTZ NOT NULL,
    what            VARCHAR NOT NULL,
    kind            VARCHAR NOT NULL,
    probability     DOUBLE NOT NULL,
    bibs            BIGINT[] NOT NULL,
    started_at      TIMESTAMPTZ NOT NULL,
    distance_m      DOUBLE
);

-- how far the view has come: the last record, and the rows below which all is committed
CREATE TABLE ticks (
    record          BIGINT NOT NULL,
    judged_at       TIMESTAMPTZ NOT NULL,
    packets         INTEGER NOT NULL,
    row_end         BIGINT NOT NULL
);

-- the newest live state, one row (1 MB for 198 riders), so that a restart replays what follows
CREATE TABLE snapshots (
    record          BIGINT NOT NULL,
    state           BLOB NOT NULL
);
