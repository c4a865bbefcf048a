-- +goose Up
-- What the operator has set for the certificates of all devices, in minor
-- units. A currency that is not here has the default limits.
CREATE TABLE limits (
  currency              TEXT PRIMARY KEY,
  payment_max           INTEGER NOT NULL CHECK (payment_max >= 0),
  total_max             INTEGER NOT NULL CHECK (total_max >= 0),
  counterparty_max      INTEGER NOT NULL CHECK (counterparty_max >= 0),
  emergency_payment_max INTEGER NOT NULL CHECK (emergency_payment_max >= 0),
  emergency_total_max   INTEGER NOT NULL CHECK (emergency_total_max >= 0)
) STRICT, WITHOUT ROWID;

-- Likewise what is not about amounts: one row.
CREATE TABLE device_limits (
  id               INTEGER PRIMARY KEY CHECK (id = 1),
  stored_count_max INTEGER NOT NULL CHECK (stored_count_max BETWEEN 0 AND 4294967295),
  offline_max_ms   INTEGER NOT NULL CHECK (offline_max_ms >= 0),
  velocity_max     INTEGER NOT NULL CHECK (velocity_max BETWEEN 0 AND 4294967295),
  velocity_ms      INTEGER NOT NULL CHECK (velocity_ms >= 0),
  emergency_max_ms INTEGER NOT NULL CHECK (emergency_max_ms >= 0)
) STRICT;

-- What people allowed on devices beyond the rules, as the devices have told:
-- the newest of each device.
CREATE TABLE allowances (
  n         INTEGER PRIMARY KEY,
  device_id BLOB NOT NULL REFERENCES devices (id),
  kind      TEXT NOT NULL,
  reason    TEXT NOT NULL,
  person    TEXT NOT NULL,
  since_ms  INTEGER NOT NULL,
  until_ms  INTEGER NOT NULL,
  told_ms   INTEGER NOT NULL,
  UNIQUE (device_id, kind, since_ms)
) STRICT;
