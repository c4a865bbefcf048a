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
INSERT INTO goose_db_version VALUES (2, 1, 1, '2026-11-21 13:44:20');
INSERT INTO head VALUES (1, 'customer', 3, 3, 0, 0, 1);
INSERT INTO instruments VALUES (1, X'247E92077C2B26A6A2EACFDB22A74E0A', 'CARD', 'blue card', 'USD', 0, 1, 0);
INSERT INTO authorizations VALUES (1, X'4997E08E8363A80EF5069BFA563F28DB', X'0A82010A104997E08E8363A80EF5069BFA563F28DB10011A21038FED8C6DEDB5A20166C92D7DAE0C905F5F5B467038497E727F9AA62F3FD34D782210247E92077C2B26A6A2EACFDB22A74E0A2A104C1029697EE358715D3A14A2ADD817C43A0355534440A08D0648A08D0650E8075880F5D5EA9F346080ADEF93A0346880BDD3D4A43470011208E6B79480136B22BE1A40C76150796300A6E827D32C3CDAAF41604C2F5A8433A507323F855ACDEAFA4B04CF76DD3A6076156AEEE5D7453875CAD69173752DB1FF5F7CC03787E4316155F0', X'038350EEA4C5A5EC9A7B9F9BD782AF1BFD1D009C1D383829069BE4771324808C', X'247E92077C2B26A6A2EACFDB22A74E0A', 0, 0, 2, X'13EACBCAC8E8947018C3E0BF81E6838D17D3D38E3204F1B37BB6CB409571A237', 1200, 1200);
INSERT INTO attempts VALUES (1, X'B06AA45EB35423F988E36C022967B4C02BB719B037717DF13FA57C0F503D8A20', X'CC425EB8A72641EC72DF72DFB5B290E3', X'A64E98FF18A83009E15EF5BF714722BF', 'SETTLED', 3, X'EC6E0E6835F356BA32940BCD1E1C0D9E106B4A7B1F873FEB7F166CE7A0987C74', 0, 0, 1, 0, 0, 1200, '', 1795251601000, X'61207369676E65642072657175657374', X'61207369676E656420766F7563686572', X'61207369676E65642072656365697074', NULL, NULL, NULL, 1200, 0, 'USD', 0, X'4997E08E8363A80EF5069BFA563F28DB', 1, X'247E92077C2B26A6A2EACFDB22A74E0A', 0, X'1F77019574826D4964F8830385AB96E9', '1234', 0, 1796547600000, 1795251601000, 1795251661000, 0, 0, 1);
INSERT INTO attempts VALUES (2, X'2FC41EF02A3216E4311805A9A11405A41A8D7A9F179526B4F6F2866BFF009A10', X'C04AC688C7D3AC341314F4A46B449657', X'A64E98FF18A83009E15EF5BF714722BF', 'AUTHORIZED', 2, X'13EACBCAC8E8947018C3E0BF81E6838D17D3D38E3204F1B37BB6CB409571A237', 0, 0, 0, 0, 0, 0, '', 1795251602000, X'61207369676E65642072657175657374', X'61207369676E656420766F7563686572', NULL, NULL, NULL, NULL, 1200, 0, 'USD', 0, X'4997E08E8363A80EF5069BFA563F28DB', 2, X'247E92077C2B26A6A2EACFDB22A74E0A', 0, X'EE60D3B84974B693DF7934E3C3193FFC', '1234', 0, 1796547600000, 1795251602000, 1795251662000, 0, 0, 1);
INSERT INTO outbox VALUES ('CLAIM', X'2FC41EF02A3216E4311805A9A11405A41A8D7A9F179526B4F6F2866BFF009A10', X'C04AC688C7D3AC341314F4A46B449657', 1796547600000, 1200, 'USD', 1795251602000, 0, 0, '');
INSERT INTO events VALUES (1, X'CC425EB8A72641EC72DF72DFB5B290E3', 1795251600000, X'080112060890BB85D8065A320A2463633432356562382D613732362D343165632D373264662D373264666235623239306533120531322E30301A03555344');
INSERT INTO events VALUES (2, X'CC425EB8A72641EC72DF72DFB5B290E3', 1795251600000, X'080212060890BB85D8065A320A2463633432356562382D613732362D343165632D373264662D373264666235623239306533120531322E30301A03555344');
INSERT INTO events VALUES (3, X'CC425EB8A72641EC72DF72DFB5B290E3', 1795251600000, X'080312060890BB85D8065A320A2463633432356562382D613732362D343165632D373264662D373264666235623239306533120531322E30301A03555344');
INSERT INTO calls VALUES (X'7EDB360F06ACAEF2CC80DBA16CF563F1', 'Accept', X'ED7002B439E9AC845F22357D822BAC1444730FBDB6016D3EC9432297B9EC9F73', X'CC425EB8A72641EC72DF72DFB5B290E3', 1795251600000);
INSERT INTO unsettled VALUES ('USD', 1, 1200, 0);
COMMIT;
