-- +goose Up
-- How much of a kind a device has had today, in days since 1970 UTC. One row
-- for each device and kind, whatever the device does.
CREATE TABLE quotas (
  device_id BLOB NOT NULL REFERENCES devices (id),
  kind      TEXT NOT NULL CHECK (kind IN ('REGISTRATION', 'REQUEST', 'BOUND')),
  day       INTEGER NOT NULL,
  used      INTEGER NOT NULL CHECK (used > 0),
  PRIMARY KEY (device_id, kind)
) STRICT, WITHOUT ROWID;

CREATE INDEX payment_windows_by_device ON payment_windows (device_id, until_ms);
CREATE INDEX vouchers_by_request ON vouchers (request_hash);
