"""The tables of a store: one SQL script for each version.

A store of version 2 was created by the first two scripts. An older store is migrated by the scripts that were not
applied to it yet. A released script is never changed.
"""

from __future__ import annotations

from typing import Final

APPLICATION: Final = 0x59474E31
"""The application id in the header of a store's database: `YGN1`."""

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
    """
    -- A result may also be `skipped`, with the value null; its key is null where it took several first requests.

    -- The first requests whose answers failed a result: one, or one for each of its items that failed.
    CREATE TABLE failed_request (
        id INTEGER PRIMARY KEY,
        result INTEGER NOT NULL,
        key BLOB NOT NULL,
        code TEXT NOT NULL,               -- of the error that the request came to
        newest INTEGER NOT NULL           -- the newest attempt among those that came to it
    );
    INSERT INTO failed_request (result, key, code, newest)
    SELECT result.id, result.key, result.code, max(json_extract(each.value, '$[0]'))
    FROM result, json_each(result.attempts) AS each
    WHERE result.key IS NOT NULL AND result.code IS NOT NULL
    GROUP BY result.id;
    CREATE INDEX failed_request_by_result ON failed_request (result);
    CREATE INDEX failed_request_by_key ON failed_request (key);
    DROP INDEX result_by_key;

    -- What the author's functions made and the author wants kept; the newest value of a key is the one.
    CREATE TABLE kept (
        key BLOB PRIMARY KEY,
        run INTEGER NOT NULL,             -- the newest run that made it or took it
        value TEXT NOT NULL               -- JSON
    );
    """,
    """
    -- Streams that were cut short: what they took is paid for, and they answer nothing.
    CREATE TABLE cut_stream (
        id INTEGER PRIMARY KEY,
        run INTEGER NOT NULL,
        step TEXT NOT NULL,
        received TEXT NOT NULL,
        requested TEXT,                   -- the model that was asked
        input_tokens INTEGER NOT NULL,
        output_tokens INTEGER NOT NULL,
        cache_creation_input_tokens INTEGER NOT NULL,
        cache_read_input_tokens INTEGER NOT NULL,
        cost REAL                         -- US dollars by the price of that day
    );
    CREATE INDEX cut_stream_by_run ON cut_stream (run, step);

    -- Requests that the API refused for what they hold: nothing was paid for them.
    CREATE TABLE refusal (
        key BLOB PRIMARY KEY,             -- as that of an attempt
        made INTEGER NOT NULL,            -- the run that was refused
        run INTEGER NOT NULL,             -- the newest run that was refused, or took the refusal out of the store
        received TEXT NOT NULL,
        status INTEGER NOT NULL,          -- of HTTP
        message TEXT NOT NULL
    );

    -- The setups (address, model, settings) by which a request was answered: there a refusal is about what it holds.
    CREATE TABLE proven (setup BLOB PRIMARY KEY);

    -- The files that kept values depend on; those that depend on the same share them. A value of an older version has
    -- none, and is made once more.
    CREATE TABLE files (
        id INTEGER PRIMARY KEY,
        digest BLOB NOT NULL UNIQUE,
        files TEXT NOT NULL               -- JSON: path relative to the pipeline -> sha256
    );
    ALTER TABLE kept ADD COLUMN files INTEGER;
    """,
    """
    -- Message Batches. A number is never used again, because the attempts that came with a batch refer to it.
    CREATE TABLE batch (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        run INTEGER NOT NULL,             -- the newest run that posted it or waited for it
        step TEXT NOT NULL,
        state TEXT NOT NULL,              -- gathering, posting, posted, collected, lost
        remote TEXT,                      -- the API's id
        requests INTEGER NOT NULL,        -- how many it has or had
        size INTEGER NOT NULL,            -- bytes of its body
        betas TEXT NOT NULL,              -- JSON: [beta feature, ...]
        most REAL,                        -- its maximum cost in US dollars
        intended TEXT,
        created TEXT,
        ended TEXT,
        counts TEXT,                      -- JSON: outcome -> number of requests
        cost REAL,                        -- US dollars of its answers until now; null if a price is unknown
        base_url TEXT,
        simulated INTEGER,
        api_key_env TEXT,
        api_version TEXT
    );

    -- The requests of open batches that have no outcome yet.
    CREATE TABLE batch_request (
        id INTEGER PRIMARY KEY,
        batch INTEGER NOT NULL,
        key BLOB NOT NULL UNIQUE,         -- as that of an attempt; in hexadecimal, the custom id
        setup BLOB NOT NULL,
        variant TEXT NOT NULL,
        requested TEXT,                   -- the model that is requested
        request_characters INTEGER NOT NULL,
        length INTEGER NOT NULL,          -- bytes of its entry in the body of the batch
        request BLOB NOT NULL,            -- JSON, compressed
        entry BLOB                        -- JSON, compressed; null if it is the custom id and the request
    );
    CREATE INDEX batch_request_by_batch ON batch_request (batch);

    -- Requests that failed in a batch of the newest run.
    CREATE TABLE batch_failure (
        key BLOB PRIMARY KEY,
        run INTEGER NOT NULL,
        kind TEXT NOT NULL,               -- errored, expired, canceled, missing
        error BLOB,                       -- JSON, compressed: the body of the API's error response
        times INTEGER NOT NULL            -- how often it has failed in the run
    ) WITHOUT ROWID;

    -- Values of functions that are not kept, while the newest run may run their rows again.
    CREATE TABLE held (
        key BLOB PRIMARY KEY,
        value TEXT NOT NULL               -- JSON
    ) WITHOUT ROWID;

    ALTER TABLE attempt ADD COLUMN batch INTEGER; -- the batch that it came with; null for a single request
    CREATE INDEX attempt_by_batch ON attempt (run, step) WHERE batch IS NOT NULL;
    """,
    """
    ALTER TABLE result ADD COLUMN thinking TEXT;  -- JSON: what the model thought, if the step keeps it; else null
    ALTER TABLE batch ADD COLUMN headers TEXT;    -- JSON: [[header, environment variable], ...]
    ALTER TABLE batch ADD COLUMN workspace TEXT;
    ALTER TABLE batch ADD COLUMN auth TEXT;       -- the kind of the credentials
    """,
    """
    -- A digest of all that decides what a row comes to; null where rows are never taken over.
    ALTER TABLE run ADD COLUMN fingerprint BLOB;
    CREATE INDEX run_by_fingerprint ON run (fingerprint) WHERE fingerprint IS NOT NULL;

    -- The kept values that a row used, by their numbers: JSON; null if it used none. A value that is made anew has
    -- another number.
    ALTER TABLE row ADD COLUMN kept TEXT;
    ALTER TABLE kept ADD COLUMN number INTEGER;
    UPDATE kept SET number = rowid;
    CREATE UNIQUE INDEX kept_by_number ON kept (number);

    -- What requests of a step, or their responses, have in common. A request or a response without a frame is whole.
    CREATE TABLE frame (
        id INTEGER PRIMARY KEY,
        digest BLOB NOT NULL UNIQUE,
        text BLOB NOT NULL                -- compressed
    );
    ALTER TABLE attempt ADD COLUMN request_frame INTEGER;
    ALTER TABLE attempt ADD COLUMN response_frame INTEGER;
    ALTER TABLE batch_request ADD COLUMN request_frame INTEGER;
    """,
)
TO_RETRY: Final = """
    (row.status = 'failed' OR EXISTS (
        SELECT 1 FROM json_each(row.results) AS own JOIN failed_request AS lost ON lost.result = own.value
    ))
"""
"""The rows that `retry` retries: failed rows, and rows with an item or a step that failed and is null."""

VERSION: Final = len(SCRIPTS)
