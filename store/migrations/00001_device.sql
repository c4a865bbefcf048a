-- +goose Up
-- The store of one device, till or customer. Amounts are integers in minor
-- units, times milliseconds UTC with 0 for none, states are kept by name, an
-- id or hash that is missing is NULL.

-- "vips": a file with another id is not a store.
PRAGMA application_id = 1986621555;

-- What every commit moves on: one row. Its counters are maintained, so that
-- no question needs to count rows.
CREATE TABLE head (
    id       INTEGER PRIMARY KEY CHECK (id = 1),
    role     TEXT    NOT NULL CHECK (role IN ('business', 'customer')),
    changes  INTEGER NOT NULL CHECK (changes >= 0),
    sequence INTEGER NOT NULL CHECK (sequence >= 0),
    skipped  INTEGER NOT NULL CHECK (skipped >= 0),
    floor_ms INTEGER NOT NULL CHECK (floor_ms >= 0),
    outbox   INTEGER NOT NULL CHECK (outbox >= 0)
) STRICT;

CREATE TABLE identity (
    id            INTEGER PRIMARY KEY CHECK (id = 1),
    device_cert   BLOB,
    tls_cert      BLOB,
    root_key      BLOB    NOT NULL CHECK (length(root_key) = 33),
    trust_bundle  BLOB,
    ca            BLOB,
    backend_url   TEXT    NOT NULL,
    locked        INTEGER NOT NULL CHECK (locked IN (0, 1)),
    void_until_ms INTEGER NOT NULL CHECK (void_until_ms >= 0)
) STRICT;

CREATE TABLE instruments (
    n                INTEGER PRIMARY KEY,
    id               BLOB    NOT NULL UNIQUE CHECK (length(id) = 16),
    type             TEXT    NOT NULL,
    label            TEXT    NOT NULL,
    currency         TEXT    NOT NULL CHECK (currency GLOB '[A-Z][A-Z][A-Z]'),
    balance          INTEGER NOT NULL,
    pre_auth_capable INTEGER NOT NULL CHECK (pre_auth_capable IN (0, 1)),
    delegated        INTEGER NOT NULL CHECK (delegated IN (0, 1))
) STRICT;

-- held and spent follow the attempts below; counter and prev the chain of
-- vouchers.
CREATE TABLE authorizations (
    n          INTEGER PRIMARY KEY,
    id         BLOB    NOT NULL UNIQUE CHECK (length(id) = 16),
    cert       BLOB    NOT NULL,
    cert_hash  BLOB    NOT NULL CHECK (length(cert_hash) = 32),
    instrument BLOB    CHECK (length(instrument) = 16),
    delegated  INTEGER NOT NULL CHECK (delegated IN (0, 1)),
    voided     INTEGER NOT NULL CHECK (voided IN (0, 1)),
    counter    INTEGER NOT NULL CHECK (counter BETWEEN 0 AND 4294967295),
    prev       BLOB    NOT NULL CHECK (length(prev) = 32),
    held       INTEGER NOT NULL CHECK (held >= 0),
    spent      INTEGER NOT NULL CHECK (spent >= 0)
) STRICT;

-- A customer's payments, one row for each request.
CREATE TABLE attempts (
    n             INTEGER PRIMARY KEY,
    request       BLOB    NOT NULL UNIQUE CHECK (length(request) = 32),
    payment       BLOB    NOT NULL CHECK (length(payment) = 16),
    business      BLOB    NOT NULL CHECK (length(business) = 16),
    state         TEXT    NOT NULL CHECK (state IN ('REQUESTED', 'AUTHORIZED', 'PROVISIONAL', 'SETTLED', 'DECLINED',
                                                    'CANCELLED', 'OTHER_PAID', 'EXPIRED', 'REJECTED', 'RELEASED')),
    rev           INTEGER NOT NULL CHECK (rev >= 1),
    voucher       BLOB    CHECK (length(voucher) = 32),
    charge        INTEGER NOT NULL CHECK (charge IN (0, 1)),
    cancel        INTEGER NOT NULL CHECK (cancel IN (0, 1)),
    receipt       INTEGER NOT NULL CHECK (receipt IN (0, 1)),
    notified      INTEGER NOT NULL CHECK (notified IN (0, 1)),
    doubtful      INTEGER NOT NULL CHECK (doubtful IN (0, 1)),
    settled       INTEGER NOT NULL CHECK (settled >= 0),
    reason        TEXT    NOT NULL,
    updated_at    INTEGER NOT NULL CHECK (updated_at >= 0),
    request_bytes BLOB,
    voucher_bytes BLOB,
    receipt_bytes BLOB,
    cancel_bytes  BLOB,
    decline_bytes BLOB,
    verdict_bytes BLOB,
    amount        INTEGER NOT NULL CHECK (amount >= 0),
    tip           INTEGER NOT NULL CHECK (tip >= 0 AND amount <= 9223372036854775807 - tip),
    currency      TEXT    NOT NULL CHECK (currency GLOB '[A-Z][A-Z][A-Z]'),
    guaranteed    INTEGER NOT NULL CHECK (guaranteed >= 0),
    preauth       BLOB    CHECK (length(preauth) = 16) REFERENCES authorizations (id),
    counter       INTEGER NOT NULL CHECK (counter BETWEEN 0 AND 4294967295),
    instrument    BLOB    CHECK (length(instrument) = 16),
    delegated     INTEGER NOT NULL CHECK (delegated IN (0, 1)),
    resume_key    BLOB    NOT NULL CHECK (length(resume_key) = 16),
    code          TEXT    NOT NULL,
    online        INTEGER NOT NULL CHECK (online IN (0, 1)),
    settle_by     INTEGER NOT NULL CHECK (settle_by >= 0),
    created_at    INTEGER NOT NULL CHECK (created_at >= 0),
    expires_at    INTEGER NOT NULL CHECK (expires_at >= 0),
    cancel_acked  INTEGER NOT NULL CHECK (cancel_acked IN (0, 1)),
    -- When its Cancel came, as head.changes; 0 while there is none.
    cancel_order  INTEGER NOT NULL CHECK (cancel_order >= 0),
    latest        INTEGER NOT NULL CHECK (latest IN (0, 1)),
    CHECK (voucher IS NOT NULL OR state IN ('REQUESTED', 'DECLINED', 'CANCELLED', 'OTHER_PAID', 'EXPIRED'))
) STRICT;
CREATE INDEX attempts_payment ON attempts (payment);
-- At most one live voucher for what one till asks.
CREATE UNIQUE INDEX attempts_live ON attempts (business, payment)
    WHERE state IN ('AUTHORIZED', 'PROVISIONAL', 'SETTLED', 'REJECTED') AND cancel = 0;
CREATE INDEX attempts_unfinished ON attempts (created_at, state)
    WHERE state IN ('REQUESTED', 'AUTHORIZED', 'PROVISIONAL');
-- Holds, by when they end at the latest; a Charge holds nothing.
CREATE INDEX attempts_held ON attempts (settle_by)
    WHERE state IN ('AUTHORIZED', 'PROVISIONAL', 'REJECTED') AND settle_by > 0;
CREATE INDEX attempts_at_till ON attempts (preauth, business, guaranteed) WHERE guaranteed > 0;
CREATE INDEX attempts_unacked ON attempts (preauth, cancel_order)
    WHERE cancel_order > 0 AND cancel_acked = 0;
CREATE INDEX attempts_list ON attempts (created_at, request) WHERE latest = 1;

-- A business's payments.
CREATE TABLE sales (
    n             INTEGER PRIMARY KEY,
    id            BLOB    NOT NULL UNIQUE CHECK (length(id) = 16),
    state         TEXT    NOT NULL CHECK (state IN ('OPEN', 'AWAITING', 'PROVISIONAL', 'SETTLED', 'CANCELLED', 'EXPIRED', 'REJECTED')),
    rev           INTEGER NOT NULL CHECK (rev >= 1),
    winner        BLOB    CHECK (length(winner) = 32),
    tip           INTEGER NOT NULL CHECK (tip >= 0 AND amount <= 9223372036854775807 - tip),
    guaranteed    INTEGER NOT NULL CHECK (guaranteed >= 0),
    settled       INTEGER NOT NULL CHECK (settled >= 0),
    reason        TEXT    NOT NULL,
    updated_at    INTEGER NOT NULL CHECK (updated_at >= 0),
    amount        INTEGER NOT NULL CHECK (amount >= 0),
    currency      TEXT    NOT NULL CHECK (currency GLOB '[A-Z][A-Z][A-Z]'),
    reference     TEXT    NOT NULL,
    policy        TEXT    NOT NULL CHECK (policy IN ('PREFER_ONLINE', 'REQUIRE_ONLINE', 'FORCE_OFFLINE')),
    tip_allowed   INTEGER NOT NULL CHECK (tip_allowed IN (0, 1)),
    tip_max       INTEGER NOT NULL CHECK (tip_max >= 0),
    tag           BLOB    CHECK (length(tag) = 16),
    online        INTEGER NOT NULL CHECK (online IN (0, 1)),
    verdict_bytes BLOB,
    created_at    INTEGER NOT NULL CHECK (created_at >= 0),
    deadline      INTEGER NOT NULL CHECK (deadline >= 0)
) STRICT;
CREATE INDEX sales_list ON sales (created_at, id);
CREATE INDEX sales_unfinished ON sales (state, created_at) WHERE state IN ('OPEN', 'AWAITING', 'PROVISIONAL');
-- One payment is OPEN per till.
CREATE UNIQUE INDEX sales_open ON sales (state) WHERE state = 'OPEN';

-- The requests of a sale.
CREATE TABLE asks (
    n             INTEGER PRIMARY KEY,
    request       BLOB    NOT NULL UNIQUE CHECK (length(request) = 32),
    payment       BLOB    NOT NULL CHECK (length(payment) = 16) REFERENCES sales (id),
    voucher       BLOB    CHECK (length(voucher) = 32),
    receipt       INTEGER NOT NULL CHECK (receipt IN (0, 1)),
    cancel        TEXT    NOT NULL CHECK (cancel IN ('', 'TIMEOUT', 'OTHER_PAID', 'USER', 'DECLINED', 'REFUSED', 'ONLINE_REQUIRED', 'REVERSAL')),
    code          TEXT    NOT NULL,
    customer      BLOB    NOT NULL CHECK (length(customer) = 16),
    customer_cert BLOB,
    request_bytes BLOB,
    voucher_bytes BLOB,
    cert_bytes    BLOB,
    preauth       BLOB    CHECK (length(preauth) = 16),
    counter       INTEGER NOT NULL CHECK (counter BETWEEN 0 AND 4294967295),
    total         INTEGER NOT NULL CHECK (total >= 0),
    guaranteed    INTEGER NOT NULL CHECK (guaranteed BETWEEN 0 AND total),
    currency      TEXT    NOT NULL CHECK (currency GLOB '[A-Z][A-Z][A-Z]'),
    resume_key    BLOB    NOT NULL CHECK (length(resume_key) = 16),
    created_at    INTEGER NOT NULL CHECK (created_at >= 0),
    stored_at     INTEGER NOT NULL CHECK (stored_at >= 0),
    cancelled_at  INTEGER NOT NULL CHECK (cancelled_at >= 0),
    owed          INTEGER NOT NULL CHECK (owed IN (0, 1))
) STRICT;
CREATE INDEX asks_payment ON asks (payment);
CREATE UNIQUE INDEX asks_voucher ON asks (preauth, counter) WHERE preauth IS NOT NULL AND voucher IS NOT NULL;
CREATE INDEX asks_owed ON asks (owed) WHERE owed = 1;

-- What the backend does not have yet.
CREATE TABLE outbox (
    kind       TEXT    NOT NULL CHECK (kind IN ('CLAIM', 'CANCEL')),
    request    BLOB    NOT NULL CHECK (length(request) = 32),
    payment    BLOB    NOT NULL CHECK (length(payment) = 16),
    deadline   INTEGER NOT NULL CHECK (deadline >= 0),
    total      INTEGER NOT NULL CHECK (total >= 0),
    currency   TEXT    NOT NULL CHECK (currency GLOB '[A-Z][A-Z][A-Z]'),
    created_at INTEGER NOT NULL CHECK (created_at >= 0),
    tries      INTEGER NOT NULL CHECK (tries >= 0),
    next_try   INTEGER NOT NULL CHECK (next_try >= 0),
    error      TEXT    NOT NULL,
    PRIMARY KEY (kind, request)
) STRICT, WITHOUT ROWID;
CREATE INDEX outbox_due ON outbox (deadline, total DESC, next_try);

-- The event log, without gaps: sequence numbers come from head.
CREATE TABLE events (
    seq     INTEGER PRIMARY KEY CHECK (seq >= 1),
    payment BLOB    CHECK (length(payment) = 16),
    time    INTEGER NOT NULL CHECK (time >= 0),
    body    BLOB    NOT NULL
) STRICT;
CREATE INDEX events_payment ON events (payment) WHERE payment IS NOT NULL;

-- Mutating calls that may be repeated.
CREATE TABLE calls (
    request_id BLOB    NOT NULL PRIMARY KEY CHECK (length(request_id) = 16),
    method     TEXT    NOT NULL,
    content    BLOB    NOT NULL CHECK (length(content) = 32),
    subject    BLOB    CHECK (length(subject) = 16),
    time       INTEGER NOT NULL CHECK (time >= 0)
) STRICT, WITHOUT ROWID;

-- Money that is not settled yet, by currency; follows attempts and sales.
CREATE TABLE unsettled (
    currency   TEXT    NOT NULL PRIMARY KEY CHECK (currency GLOB '[A-Z][A-Z][A-Z]'),
    count      INTEGER NOT NULL CHECK (count >= 0),
    total      INTEGER NOT NULL CHECK (total >= 0),
    guaranteed INTEGER NOT NULL CHECK (guaranteed >= 0)
) STRICT, WITHOUT ROWID;
