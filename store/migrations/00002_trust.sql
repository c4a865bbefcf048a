-- +goose Up
-- The event log as a chain: each event's hash covers the one before. Events
-- that are older than the chain have none.
ALTER TABLE events ADD COLUMN hash BLOB CHECK (length(hash) = 32);
-- The chain with the newest event; missing before the first.
ALTER TABLE head ADD COLUMN journal BLOB CHECK (length(journal) = 32);
-- How far the list of changed verdicts was read.
ALTER TABLE head ADD COLUMN verdicts_to INTEGER NOT NULL DEFAULT 0 CHECK (verdicts_to >= 0);
-- When the backend last answered, by its own clock.
ALTER TABLE head ADD COLUMN heard_ms INTEGER NOT NULL DEFAULT 0 CHECK (heard_ms >= 0);

-- What people allowed beyond a rule, for a while; until_ms moves back when it
-- is ended early. floor_ms is the floor at since_ms. told says that the backend
-- knows, ended that the event log has the end.
CREATE TABLE allowances (
    n        INTEGER PRIMARY KEY,
    kind     TEXT    NOT NULL CHECK (kind IN ('STALE_BUNDLE', 'OWN_LIMITS', 'EMERGENCY')),
    reason   TEXT    NOT NULL,
    person   TEXT    NOT NULL,
    since_ms INTEGER NOT NULL CHECK (since_ms >= 0),
    until_ms INTEGER NOT NULL CHECK (until_ms >= since_ms),
    floor_ms INTEGER NOT NULL CHECK (floor_ms >= 0),
    told     INTEGER NOT NULL CHECK (told IN (0, 1)),
    ended    INTEGER NOT NULL CHECK (ended IN (0, 1))
) STRICT;
-- At most one of a kind.
CREATE UNIQUE INDEX allowances_open ON allowances (ended, kind) WHERE ended = 0;
CREATE INDEX allowances_untold ON allowances (told, n) WHERE told = 0;

-- What one device of the other side has given or got.
CREATE INDEX asks_customer ON asks (customer, stored_at) WHERE voucher IS NOT NULL;
CREATE INDEX attempts_business ON attempts (business, currency) WHERE state IN ('AUTHORIZED', 'PROVISIONAL');
