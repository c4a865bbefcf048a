-- +goose Up
-- EARLIER: the last head that arrived on a day. A device that has written its
-- log anew contradicts those, however far it has gone on since.
CREATE TABLE heads (
  device_id BLOB NOT NULL REFERENCES devices (id),
  sequence  INTEGER NOT NULL CHECK (sequence > 0),
  hash      BLOB NOT NULL CHECK (length(hash) = 32),
  kind      TEXT NOT NULL CHECK (kind IN ('NEWEST', 'EARLIER', 'RESTORED', 'LOWER', 'FORK')),
  bytes     BLOB NOT NULL,
  signed_ms INTEGER NOT NULL,
  at_ms     INTEGER NOT NULL,
  PRIMARY KEY (device_id, sequence, hash)
) STRICT, WITHOUT ROWID;
INSERT INTO heads SELECT device_id, sequence, hash, kind, bytes, signed_ms, at_ms FROM journal_heads;
DROP TABLE journal_heads;
ALTER TABLE heads RENAME TO journal_heads;
CREATE UNIQUE INDEX journal_heads_newest ON journal_heads (device_id) WHERE kind = 'NEWEST';
