"""The tables of a store, as the scripts that make them, one for each version.

A store of version 2 is one to which the first two scripts were applied; an older one is brought up by those that it
lacks. A script that was released is never changed.
"""

from __future__ import annotations

from typing import Final

APPLICATION: Final = 0x59474E31
"""What a file of ours says it is, in the header of the database: `YGN1`."""

SCRIPTS: Final = (
    """
    CREATE TABLE run (
        id INTEGER PRIMARY KEY,
        name TEXT NOT NULL UNIQUE,
        started TEXT NOT NULL,
        ended TEXT,
        status TEXT NOT NULL,             -- running, finished, stopped; a running one whose lock is free was killed
        retry TEXT,                       -- the name of the run whose failed rows it asks again
        about TEXT NOT NULL,              -- JSON: the pipeline as it ran, parameters, overrides, git, versions
        report TEXT                       -- JSON: the report of a run that has ended
    );

    -- Append-only: every paid response, the invalid ones too. The newest one of a key is its answer.
    CREATE TABLE attempt (
        id INTEGER PRIMARY KEY,
        key BLOB NOT NULL,                -- sha256 of the request and of who asked
        run INTEGER NOT NULL,
        step TEXT NOT NULL,
        received TEXT NOT NULL,
        request_id TEXT,
        requested TEXT,                   -- the model that was asked
        model TEXT,                       -- the model that answered
        stop_reason TEXT,
        input_tokens INTEGER NOT NULL,
        output_tokens INTEGER NOT NULL,
        cache_creation_input_tokens INTEGER NOT NULL,
        cache_read_input_tokens INTEGER NOT NULL,
        cost REAL,                        -- US dollars by the price of that day
        seconds REAL NOT NULL,
        request_characters INTEGER NOT NULL,
        request BLOB NOT NULL,            -- JSON, compressed; what is long stands last, so that sums need not read it
        response BLOB NOT NULL            -- JSON, compressed
    );
    CREATE INDEX attempt_by_key ON attempt (key);
    CREATE INDEX attempt_by_run ON attempt (run, step);
    CREATE INDEX attempt_by_step ON attempt (step, requested);

    -- What a step made of its attempts; runs that come to the same share it.
    CREATE TABLE result (
        id INTEGER PRIMARY KEY,
        digest BLOB NOT NULL UNIQUE,      -- of everything below
        step TEXT NOT NULL,
        key BLOB,                         -- of the first request, if it came to one
        status TEXT NOT NULL,             -- finished, failed
        value TEXT,                       -- JSON
        code TEXT,                        -- of the error
        error BLOB,                       -- JSON, compressed: code, message, request
        attempts TEXT NOT NULL            -- JSON: [[attempt, [what was wrong with it]], ...]
    );

    CREATE INDEX result_by_key ON result (key);

    -- The columns of an input row; runs of the same input share it.
    CREATE TABLE source (
        id INTEGER PRIMARY KEY,
        digest BLOB NOT NULL UNIQUE,
        row TEXT NOT NULL                 -- JSON
    );

    -- The rows of a run, by their place in the input.
    CREATE TABLE row (
        run INTEGER NOT NULL,
        number INTEGER NOT NULL,
        identity BLOB NOT NULL,           -- digest of who the row is
        source INTEGER NOT NULL,
        status TEXT NOT NULL,             -- finished, failed, missing (it might not ask)
        results TEXT NOT NULL             -- JSON: [result, ...] in the order of the steps
    );
    CREATE UNIQUE INDEX row_by_number ON row (run, number);
    """,
)
VERSION: Final = len(SCRIPTS)
