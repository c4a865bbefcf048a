-- +goose Up
-- Verdicts that replaced others, for the devices whose payment it was: they
-- have had an answer, and would not ask again.
CREATE TABLE notices (
  device_id   BLOB NOT NULL REFERENCES devices (id),
  verdict_seq INTEGER NOT NULL REFERENCES verdicts (seq),
  PRIMARY KEY (device_id, verdict_seq)
) STRICT, WITHOUT ROWID;
