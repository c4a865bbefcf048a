-- +goose Up
-- Ids are 16 bytes, hashes 32, keys compressed points of 33. Amounts are
-- integer minor units, times integer milliseconds since 1970 UTC.

-- What holds for the backend as a whole.
CREATE TABLE settings (
  name  TEXT PRIMARY KEY,
  value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- The counters of trust: epoch of the bundle, serial of certificates.
CREATE TABLE trust (
  id     INTEGER PRIMARY KEY CHECK (id = 1),
  epoch  INTEGER NOT NULL CHECK (epoch > 0),
  serial INTEGER NOT NULL CHECK (serial >= 0)
) STRICT;
INSERT INTO trust (id, epoch, serial) VALUES (1, 1, 0);

-- Every key that ever signed certificates or verdicts.
CREATE TABLE issuer_keys (
  public_key    BLOB PRIMARY KEY CHECK (length(public_key) = 33),
  not_before_ms INTEGER NOT NULL,
  not_after_ms  INTEGER NOT NULL CHECK (not_after_ms > not_before_ms),
  epoch         INTEGER NOT NULL CHECK (epoch > 0)
) STRICT, WITHOUT ROWID;

CREATE TABLE businesses (
  id         BLOB PRIMARY KEY CHECK (length(id) = 16),
  name       TEXT NOT NULL CHECK (length(name) BETWEEN 1 AND 64),
  mcc        INTEGER NOT NULL CHECK (mcc BETWEEN 0 AND 9999),
  created_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE customers (
  id         BLOB PRIMARY KEY CHECK (length(id) = 16),
  name       TEXT NOT NULL CHECK (length(name) BETWEEN 1 AND 64),
  created_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Funding sources. The balance is the sum of the postings.
CREATE TABLE instruments (
  id               BLOB PRIMARY KEY CHECK (length(id) = 16),
  customer_id      BLOB NOT NULL REFERENCES customers (id),
  type             TEXT NOT NULL CHECK (type IN ('CARD', 'BANK_ACCOUNT', 'MNO')),
  label            TEXT NOT NULL,
  currency         TEXT NOT NULL CHECK (length(currency) = 3),
  pre_auth_capable INTEGER NOT NULL CHECK (pre_auth_capable IN (0, 1)),
  created_ms       INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX instruments_by_customer ON instruments (customer_id, created_ms);
CREATE INDEX instruments_by_currency ON instruments (currency);

-- Other customers who may use an instrument.
CREATE TABLE delegations (
  customer_id   BLOB NOT NULL REFERENCES customers (id),
  instrument_id BLOB NOT NULL REFERENCES instruments (id),
  created_ms    INTEGER NOT NULL,
  PRIMARY KEY (customer_id, instrument_id)
) STRICT, WITHOUT ROWID;

-- Tills and customer devices. A device belongs to one business or one customer.
CREATE TABLE devices (
  id             BLOB PRIMARY KEY CHECK (length(id) = 16),
  business_id    BLOB REFERENCES businesses (id),
  customer_id    BLOB REFERENCES customers (id),
  created_ms     INTEGER NOT NULL,
  revoked_ms     INTEGER,
  revoked_reason TEXT NOT NULL DEFAULT '',
  CHECK ((business_id IS NULL) <> (customer_id IS NULL))
) STRICT, WITHOUT ROWID;
CREATE INDEX devices_by_creation ON devices (created_ms, id);

-- Keys that answer for a device, with the newest certificates for them.
CREATE TABLE device_keys (
  signing_key  BLOB PRIMARY KEY CHECK (length(signing_key) = 33),
  key_id       BLOB NOT NULL CHECK (length(key_id) = 8),
  noise_key    BLOB NOT NULL CHECK (length(noise_key) = 32),
  device_id    BLOB NOT NULL REFERENCES devices (id),
  device_cert  BLOB NOT NULL,
  tls_cert     BLOB NOT NULL,
  not_after_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX device_keys_by_key_id ON device_keys (key_id);
CREATE INDEX device_keys_by_device ON device_keys (device_id, not_after_ms);

-- One-time codes, by hash.
CREATE TABLE enroll_codes (
  code_hash   BLOB PRIMARY KEY CHECK (length(code_hash) = 32),
  business_id BLOB REFERENCES businesses (id),
  customer_id BLOB REFERENCES customers (id),
  expires_ms  INTEGER NOT NULL,
  CHECK ((business_id IS NULL) <> (customer_id IS NULL))
) STRICT, WITHOUT ROWID;

-- Which keys a code or token was used with.
CREATE TABLE enrollments (
  credential_hash BLOB PRIMARY KEY CHECK (length(credential_hash) = 32),
  signing_key     BLOB NOT NULL REFERENCES device_keys (signing_key),
  created_ms      INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What the trust bundle lists, for as long as it matters. What a revoked
-- device could spend goes before what customers merely voided.
CREATE TABLE revocations (
  id        INTEGER PRIMARY KEY,
  kind      TEXT NOT NULL CHECK (kind IN ('REVOKED', 'VOIDED')),
  serial    INTEGER UNIQUE,
  device_id BLOB UNIQUE REFERENCES devices (id),
  until_ms  INTEGER NOT NULL,
  CHECK ((serial IS NULL) <> (device_id IS NULL))
) STRICT;
CREATE INDEX revocations_by_end ON revocations (until_ms);

-- Pre-authorizations. What is held is the sum of the postings.
CREATE TABLE preauths (
  id            BLOB PRIMARY KEY CHECK (length(id) = 16),
  serial        INTEGER NOT NULL UNIQUE,
  request_id    BLOB NOT NULL CHECK (length(request_id) = 16),
  device_id     BLOB NOT NULL REFERENCES devices (id),
  instrument_id BLOB NOT NULL REFERENCES instruments (id),
  currency      TEXT NOT NULL CHECK (length(currency) = 3),
  limit_minor   INTEGER NOT NULL CHECK (limit_minor > 0),
  guarantee     INTEGER NOT NULL CHECK (guarantee >= 0),
  bound_to      BLOB CHECK (length(bound_to) = 32),
  issued_ms     INTEGER NOT NULL,
  spend_by_ms   INTEGER NOT NULL CHECK (spend_by_ms > issued_ms),
  settle_by_ms  INTEGER NOT NULL CHECK (settle_by_ms > spend_by_ms),
  cert          BLOB NOT NULL,
  voided_ms     INTEGER,
  closed_ms     INTEGER,
  UNIQUE (device_id, request_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX preauths_open_by_end ON preauths (settle_by_ms) WHERE closed_ms IS NULL;
CREATE INDEX preauths_open_by_device ON preauths (device_id, currency) WHERE closed_ms IS NULL;
CREATE INDEX preauths_by_binding ON preauths (bound_to) WHERE bound_to IS NOT NULL;

-- Payments a till registered, and until when a Charge is taken for them.
CREATE TABLE payment_windows (
  device_id  BLOB NOT NULL REFERENCES devices (id),
  payment_id BLOB NOT NULL CHECK (length(payment_id) = 16),
  until_ms   INTEGER NOT NULL,
  PRIMARY KEY (device_id, payment_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX payment_windows_by_payment ON payment_windows (payment_id);

-- Requests, by H(Request). verdict_seq is the newest verdict; total is what
-- its voucher or charge promised, or what was asked for while none is known.
CREATE TABLE requests (
  hash         BLOB PRIMARY KEY CHECK (length(hash) = 32),
  payment_id   BLOB NOT NULL CHECK (length(payment_id) = 16),
  till_id      BLOB NOT NULL REFERENCES devices (id),
  business_id  BLOB NOT NULL REFERENCES businesses (id),
  currency     TEXT NOT NULL CHECK (length(currency) = 3),
  total        INTEGER NOT NULL CHECK (total > 0),
  voucher_hash BLOB CHECK (length(voucher_hash) = 32),
  bytes        BLOB NOT NULL,
  received_ms  INTEGER NOT NULL,
  cancelled_ms INTEGER,
  verdict_seq  INTEGER REFERENCES verdicts (seq) DEFERRABLE INITIALLY DEFERRED
) STRICT, WITHOUT ROWID;
CREATE INDEX requests_by_payment ON requests (payment_id, received_ms);

-- Order of arrival of everything that moves money.
CREATE TABLE arrivals (
  seq          INTEGER PRIMARY KEY,
  kind         TEXT NOT NULL CHECK (kind IN ('CLAIM', 'CANCEL', 'CLOSE')),
  request_hash BLOB,
  preauth_id   BLOB REFERENCES preauths (id),
  at_ms        INTEGER NOT NULL
) STRICT;
CREATE INDEX arrivals_by_preauth ON arrivals (preauth_id, seq);
CREATE INDEX arrivals_by_request ON arrivals (request_hash);

-- Vouchers as signed, cancelled ones included.
CREATE TABLE vouchers (
  hash         BLOB PRIMARY KEY CHECK (length(hash) = 32),
  preauth_id   BLOB NOT NULL REFERENCES preauths (id),
  counter      INTEGER NOT NULL CHECK (counter >= 0),
  prev_hash    BLOB NOT NULL CHECK (length(prev_hash) = 32),
  request_hash BLOB NOT NULL,
  bytes        BLOB NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX vouchers_by_counter ON vouchers (preauth_id, counter);

-- Claims: a voucher or a charge, with the till's receipt. seq is the arrival.
CREATE TABLE claims (
  request_hash  BLOB PRIMARY KEY REFERENCES requests (hash),
  seq           INTEGER NOT NULL UNIQUE REFERENCES arrivals (seq),
  voucher_hash  BLOB NOT NULL CHECK (length(voucher_hash) = 32),
  customer_id   BLOB NOT NULL REFERENCES customers (id),
  preauth_id    BLOB REFERENCES preauths (id),
  instrument_id BLOB CHECK (length(instrument_id) = 16),
  amount        INTEGER NOT NULL CHECK (amount > 0),
  tip           INTEGER NOT NULL CHECK (tip >= 0),
  bytes         BLOB NOT NULL,
  receipt       BLOB NOT NULL,
  received_ms   INTEGER NOT NULL,
  CHECK ((preauth_id IS NULL) <> (instrument_id IS NULL))
) STRICT, WITHOUT ROWID;
CREATE INDEX claims_by_preauth ON claims (preauth_id, seq);

-- Cancels, kept with their signer, judged when their request is known.
CREATE TABLE cancels (
  request_hash BLOB NOT NULL CHECK (length(request_hash) = 32),
  signer_id    BLOB NOT NULL REFERENCES devices (id),
  reason       TEXT NOT NULL,
  bytes        BLOB NOT NULL,
  received_ms  INTEGER NOT NULL,
  PRIMARY KEY (request_hash, signer_id)
) STRICT, WITHOUT ROWID;

-- Verdicts, append-only. The newest of a request stands.
CREATE TABLE verdicts (
  seq          INTEGER PRIMARY KEY,
  request_hash BLOB NOT NULL REFERENCES requests (hash),
  outcome      TEXT NOT NULL CHECK (outcome IN ('SETTLED', 'REJECTED', 'CANCELLED')),
  reason       TEXT NOT NULL,
  voucher_hash BLOB CHECK (length(voucher_hash) = 32),
  paid         INTEGER NOT NULL CHECK (paid >= 0),
  guaranteed   INTEGER NOT NULL CHECK (guaranteed >= 0),
  shortfall    INTEGER NOT NULL CHECK (shortfall >= 0),
  bytes        BLOB NOT NULL,
  at_ms        INTEGER NOT NULL,
  CHECK ((outcome = 'SETTLED') = (paid + guaranteed > 0))
) STRICT;
CREATE INDEX verdicts_by_request ON verdicts (request_hash, seq);

-- Double entry, append-only.
CREATE TABLE transfers (
  seq          INTEGER PRIMARY KEY,
  reason       TEXT NOT NULL,
  request_hash BLOB,
  preauth_id   BLOB REFERENCES preauths (id),
  at_ms        INTEGER NOT NULL
) STRICT;
CREATE INDEX transfers_by_request ON transfers (request_hash);
CREATE INDEX transfers_by_preauth ON transfers (preauth_id, reason);

CREATE TABLE postings (
  transfer_seq INTEGER NOT NULL REFERENCES transfers (seq),
  kind         TEXT NOT NULL CHECK (kind IN ('WORLD', 'INSTRUMENT', 'HELD', 'BUSINESS', 'ISSUER')),
  account_id   BLOB NOT NULL CHECK (length(account_id) = 16),
  currency     TEXT NOT NULL CHECK (length(currency) = 3),
  amount       INTEGER NOT NULL CHECK (amount <> 0),
  PRIMARY KEY (transfer_seq, amount)
) STRICT, WITHOUT ROWID;
CREATE INDEX postings_by_account ON postings (kind, account_id, currency, amount);

-- Proof that a device spent twice, as objects that anyone can verify.
CREATE TABLE evidence (
  seq        INTEGER PRIMARY KEY,
  kind       TEXT NOT NULL CHECK (kind IN ('SAME_COUNTER', 'OVER_LIMIT')),
  preauth_id BLOB NOT NULL REFERENCES preauths (id),
  counter    INTEGER NOT NULL,
  device_id  BLOB NOT NULL REFERENCES devices (id),
  at_ms      INTEGER NOT NULL,
  UNIQUE (preauth_id, kind, counter)
) STRICT;
CREATE TABLE evidence_objects (
  evidence_seq INTEGER NOT NULL REFERENCES evidence (seq),
  position     INTEGER NOT NULL,
  bytes        BLOB NOT NULL,
  PRIMARY KEY (evidence_seq, position)
) STRICT, WITHOUT ROWID;

-- What is odd but proves nothing by itself, and Cancels that came too late to
-- reverse: for people.
CREATE TABLE remarks (
  seq          INTEGER PRIMARY KEY,
  kind         TEXT NOT NULL CHECK (kind IN ('CHAIN_BROKEN', 'CLAIM_CONFLICT', 'DISPUTE')),
  request_hash BLOB NOT NULL,
  object_hash  BLOB NOT NULL,
  bytes        BLOB NOT NULL,
  at_ms        INTEGER NOT NULL,
  UNIQUE (request_hash, kind, object_hash)
) STRICT;

-- +goose StatementBegin
CREATE TRIGGER postings_are_final BEFORE UPDATE ON postings
BEGIN SELECT RAISE(ABORT, 'postings are never updated'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER postings_stay BEFORE DELETE ON postings
BEGIN SELECT RAISE(ABORT, 'postings are never deleted'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER verdicts_are_final BEFORE UPDATE ON verdicts
BEGIN SELECT RAISE(ABORT, 'verdicts are never updated'); END;
-- +goose StatementEnd
