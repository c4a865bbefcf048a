-- +goose Up
-- How many transactions have changed the books. A file beside the database
-- remembers it too, so that an older copy is noticed.
CREATE TABLE head (
  id      INTEGER PRIMARY KEY CHECK (id = 1),
  changes INTEGER NOT NULL CHECK (changes >= 0)
) STRICT;
INSERT INTO head (id, changes) VALUES (1, 0);

-- Older copies that somebody decided to go on with. missing is how many changes
-- they lacked, if that was known; verdicts are numbered from first_verdict on.
CREATE TABLE copies (
  n             INTEGER PRIMARY KEY,
  changes       INTEGER NOT NULL CHECK (changes >= 0),
  missing       INTEGER CHECK (missing > 0),
  first_verdict INTEGER NOT NULL,
  at_ms         INTEGER NOT NULL,
  accepted_by   TEXT NOT NULL,
  accepted_why  TEXT NOT NULL CHECK (accepted_why <> '')
) STRICT;
