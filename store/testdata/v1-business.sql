PRAGMA application_id = 1986621555;
BEGIN;
CREATE TABLE goose_db_version (
		id INTEGER PRIMARY KEY AUTOINCREMENT,
		version_id INTEGER NOT NULL,
		is_applied INTEGER NOT NULL,
		tstamp TIMESTAMP DEFAULT (datetime('now'))
	);
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
CREATE UNIQUE INDEX attempts_live ON attempts (business, payment)
    WHERE state IN ('AUTHORIZED', 'PROVISIONAL', 'SETTLED', 'REJECTED') AND cancel = 0;
CREATE INDEX attempts_unfinished ON attempts (created_at, state)
    WHERE state IN ('REQUESTED', 'AUTHORIZED', 'PROVISIONAL');
CREATE INDEX attempts_held ON attempts (settle_by)
    WHERE state IN ('AUTHORIZED', 'PROVISIONAL', 'REJECTED') AND settle_by > 0;
CREATE INDEX attempts_at_till ON attempts (preauth, business, guaranteed) WHERE guaranteed > 0;
CREATE INDEX attempts_unacked ON attempts (preauth, cancel_order)
    WHERE cancel_order > 0 AND cancel_acked = 0;
CREATE INDEX attempts_list ON attempts (created_at, request) WHERE latest = 1;
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
CREATE UNIQUE INDEX sales_open ON sales (state) WHERE state = 'OPEN';
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
CREATE TABLE events (
    seq     INTEGER PRIMARY KEY CHECK (seq >= 1),
    payment BLOB    CHECK (length(payment) = 16),
    time    INTEGER NOT NULL CHECK (time >= 0),
    body    BLOB    NOT NULL
) STRICT;
CREATE INDEX events_payment ON events (payment) WHERE payment IS NOT NULL;
CREATE TABLE calls (
    request_id BLOB    NOT NULL PRIMARY KEY CHECK (length(request_id) = 16),
    method     TEXT    NOT NULL,
    content    BLOB    NOT NULL CHECK (length(content) = 32),
    subject    BLOB    CHECK (length(subject) = 16),
    time       INTEGER NOT NULL CHECK (time >= 0)
) STRICT, WITHOUT ROWID;
CREATE TABLE unsettled (
    currency   TEXT    NOT NULL PRIMARY KEY CHECK (currency GLOB '[A-Z][A-Z][A-Z]'),
    count      INTEGER NOT NULL CHECK (count >= 0),
    total      INTEGER NOT NULL CHECK (total >= 0),
    guaranteed INTEGER NOT NULL CHECK (guaranteed >= 0)
) STRICT, WITHOUT ROWID;
INSERT INTO goose_db_version VALUES (1, 0, 1, '2026-11-21 13:44:19');
INSERT INTO goose_db_version VALUES (2, 1, 1, '2026-11-21 13:44:19');
INSERT INTO head VALUES (1, 'business', 2, 3, 0, 1795251601000, 1);
INSERT INTO identity VALUES (1, X'63657274', NULL, X'020000000000000000000000000000000000000000000000000000000000000000', NULL, NULL, 'https://backend.example', 0, 0);
INSERT INTO sales VALUES (1, X'CC425EB8A72641EC72DF72DFB5B290E3', 'PROVISIONAL', 2, X'35747E846035960148C0E53AA1102783589B85020EB47EBD8078DDB2A9CAB41F', 0, 600, 0, '', 1795251601000, 1200, 'USD', 'order 1', 'PREFER_ONLINE', 0, 0, NULL, 0, NULL, 1795251601000, 1795251661000);
INSERT INTO asks VALUES (1, X'35747E846035960148C0E53AA1102783589B85020EB47EBD8078DDB2A9CAB41F', X'CC425EB8A72641EC72DF72DFB5B290E3', X'901C4DC0DA6E1228ADD99D2E84AAADDE44128EAEE97F3301D20C80752ABA8B3C', 1, '', '', X'DEA26157FA355301663174EAC368538C', X'61207369676E6564206365727469666963617465', X'61207369676E65642072657175657374', X'61207369676E656420766F7563686572', X'61207369676E6564206365727469666963617465', X'4997E08E8363A80EF5069BFA563F28DB', 1, 1200, 600, 'USD', X'1F77019574826D4964F8830385AB96E9', 1795251601000, 1795251601000, 0, 1);
INSERT INTO asks VALUES (2, X'6479CBDEA74B478C3468C5DF0208ED3D10E687514712DABD7690630444A612A3', X'CC425EB8A72641EC72DF72DFB5B290E3', NULL, 0, 'OTHER_PAID', '', X'C8C7CB5B9E8F7A1B3D1D02602ADA6232', X'61207369676E6564206365727469666963617465', X'61207369676E65642072657175657374', NULL, NULL, NULL, 0, 0, 0, 'USD', X'EE60D3B84974B693DF7934E3C3193FFC', 1795251601000, 0, 1795251602000, 0);
INSERT INTO outbox VALUES ('CLAIM', X'35747E846035960148C0E53AA1102783589B85020EB47EBD8078DDB2A9CAB41F', X'CC425EB8A72641EC72DF72DFB5B290E3', 1795251609000, 1200, 'USD', 1795251601000, 0, 0, '');
INSERT INTO events VALUES (1, X'CC425EB8A72641EC72DF72DFB5B290E3', 1795251600000, X'080112060890BB85D8065A320A2463633432356562382D613732362D343165632D373264662D373264666235623239306533120531322E30301A03555344');
INSERT INTO events VALUES (2, X'CC425EB8A72641EC72DF72DFB5B290E3', 1795251600000, X'080212060890BB85D8065A320A2463633432356562382D613732362D343165632D373264662D373264666235623239306533120531322E30301A03555344');
INSERT INTO events VALUES (3, X'D9298A10D1B0735837DC4BD85DAC641B', 1795251600000, X'080312060890BB85D8065A320A2464393239386131302D643162302D373335382D333764632D346264383564616336343162120531322E30301A03555344');
INSERT INTO unsettled VALUES ('USD', 1, 1200, 600);
COMMIT;
