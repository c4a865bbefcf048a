-- +goose Up
-- The root keys, in order. Each but the first comes with its handover: a word
-- that the one before signed. The last one signs.
CREATE TABLE roots (
  n          INTEGER PRIMARY KEY,
  public_key BLOB NOT NULL UNIQUE CHECK (length(public_key) = 33),
  handover   BLOB CHECK ((handover IS NULL) = (n = 1)),
  at_ms      INTEGER NOT NULL
) STRICT;
INSERT INTO roots (n, public_key, at_ms) SELECT 1, unhex(value), 0 FROM settings WHERE name = 'root_key';
DELETE FROM settings WHERE name = 'root_key';

-- Since when another issuer key signs in its place. not_after_ms is from then
-- on the end of all that it has signed.
ALTER TABLE issuer_keys ADD COLUMN retired_ms INTEGER;
-- Whether bundles list it.
ALTER TABLE issuer_keys ADD COLUMN listed INTEGER NOT NULL DEFAULT 1 CHECK (listed IN (0, 1));
