-- +goose Up
-- What devices have told of their event logs, each a signed JournalHead. kind:
-- NEWEST, the one that the next is compared with; RESTORED, the last before
-- the device left out numbers because its store was an older copy; LOWER, one
-- that ends before the newest; FORK, another end at the same number.
CREATE TABLE journal_heads (
  device_id BLOB NOT NULL REFERENCES devices (id),
  sequence  INTEGER NOT NULL CHECK (sequence > 0),
  hash      BLOB NOT NULL CHECK (length(hash) = 32),
  kind      TEXT NOT NULL CHECK (kind IN ('NEWEST', 'RESTORED', 'LOWER', 'FORK')),
  bytes     BLOB NOT NULL,
  signed_ms INTEGER NOT NULL,
  at_ms     INTEGER NOT NULL,
  PRIMARY KEY (device_id, sequence, hash)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX journal_heads_newest ON journal_heads (device_id) WHERE kind = 'NEWEST';
