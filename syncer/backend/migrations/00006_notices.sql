-- +goose Up
-- Verdicts for devices that may not ask any more: what replaced an earlier
-- verdict, and what cancelled a payment.
CREATE TABLE notices (
  device_id   BLOB NOT NULL REFERENCES devices (id),
  verdict_seq INTEGER NOT NULL REFERENCES verdicts (seq),
  PRIMARY KEY (device_id, verdict_seq)
) STRICT, WITHOUT ROWID;
