-- The journal. Times are seconds since the epoch; bodies are JSON in bytes.

CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;

CREATE TABLE workers (
    id TEXT PRIMARY KEY,
    beat INTEGER NOT NULL,
    born TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE runs (
    no INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    saga TEXT NOT NULL,
    input BLOB NOT NULL,
    seed BLOB NOT NULL,
    created_at REAL NOT NULL,
    state TEXT NOT NULL,
    owner TEXT,
    epoch INTEGER NOT NULL,
    next_at REAL,
    outcome BLOB,
    closed_at REAL,
    parent TEXT,
    sum BLOB,
    length INTEGER NOT NULL DEFAULT 0 -- turns when the row was last written: a journal with fewer has lost its end
);
CREATE INDEX runs_nested ON runs (parent) WHERE parent IS NOT NULL;
CREATE INDEX runs_due ON runs (saga, next_at) WHERE owner IS NULL AND next_at IS NOT NULL;
CREATE INDEX runs_owned ON runs (owner) WHERE owner IS NOT NULL;
CREATE INDEX runs_by_state ON runs (state, no);

-- In the order in which they were written, so that the turns of one commit lie side by side, whatever runs they are of.
CREATE TABLE turns (
    run INTEGER NOT NULL REFERENCES runs (no),
    seq INTEGER NOT NULL,
    body BLOB NOT NULL,
    sum BLOB NOT NULL
);
CREATE UNIQUE INDEX turns_by_run ON turns (run, seq);

CREATE TABLE letters (
    run INTEGER NOT NULL REFERENCES runs (no),
    no INTEGER NOT NULL,
    kind TEXT NOT NULL,
    step TEXT NOT NULL,
    error TEXT NOT NULL,
    opened_at REAL NOT NULL,
    body BLOB NOT NULL,
    acted TEXT,
    by TEXT,
    note TEXT,
    acted_at REAL,
    PRIMARY KEY (run, no)
) WITHOUT ROWID;
CREATE INDEX letters_open ON letters (opened_at) WHERE acted IS NULL;

CREATE TABLE mail (
    no INTEGER PRIMARY KEY AUTOINCREMENT,
    run INTEGER NOT NULL REFERENCES runs (no),
    body BLOB NOT NULL,
    sum BLOB NOT NULL
);
CREATE INDEX mail_by_run ON mail (run);
