PRAGMA application_id = 1986621555;
BEGIN TRANSACTION;
CREATE TABLE goose_db_version (
		id INTEGER PRIMARY KEY AUTOINCREMENT,
		version_id INTEGER NOT NULL,
		is_applied INTEGER NOT NULL,
		tstamp TIMESTAMP DEFAULT (datetime('now'))
	);
INSERT INTO goose_db_version VALUES(1,0,1,'2026-11-21 09:49:33');
INSERT INTO goose_db_version VALUES(2,1,1,'2026-11-21 09:49:33');
CREATE TABLE head (
    id       INTEGER PRIMARY KEY CHECK (id = 1),
    role     TEXT    NOT NULL CHECK (role IN ('business', 'customer')),
    changes  INTEGER NOT NULL CHECK (changes >= 0),
    sequence INTEGER NOT NULL CHECK (sequence >= 0),
    floor_ms INTEGER NOT NULL CHECK (floor_ms >= 0),
    outbox   INTEGER NOT NULL CHECK (outbox >= 0)
) STRICT;
INSERT INTO head VALUES(1,'customer',3,3,0,1);
CREATE TABLE identity (
    id           INTEGER PRIMARY KEY CHECK (id = 1),
    device_cert  BLOB,
    tls_cert     BLOB,
    root_key     BLOB    NOT NULL CHECK (length(root_key) = 33),
    trust_bundle BLOB,
    ca           BLOB,
    backend_url  TEXT    NOT NULL,
    locked       INTEGER NOT NULL CHECK (locked IN (0, 1))
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
INSERT INTO instruments VALUES(1,X'247e92077c2b26a6a2eacfdb22a74e0a','CARD','blue card','USD',0,1,0);
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
INSERT INTO authorizations VALUES(1,X'4997e08e8363a80ef5069bfa563f28db',X'0a82010a104997e08e8363a80ef5069bfa563f28db10011a21038fed8c6dedb5a20166c92d7dae0c905f5f5b467038497e727f9aa62f3fd34d782210247e92077c2b26a6a2eacfdb22a74e0a2a104c1029697ee358715d3a14a2add817c43a0355534440a08d0648a08d0650e8075880f5d5ea9f346080adef93a0346880bdd3d4a43470011208e6b79480136b22be1a40c76150796300a6e827d32c3cdaaf41604c2f5a8433a507323f855acdeafa4b04cf76dd3a6076156aeee5d7453875cad69173752db1ff5f7cc03787e4316155f0',X'038350eea4c5a5ec9a7b9f9bd782af1bfd1d009c1d383829069be4771324808c',X'247e92077c2b26a6a2eacfdb22a74e0a',0,0,2,X'13eacbcac8e8947018c3e0bf81e6838d17d3d38e3204f1b37bb6cb409571a237',1200,1200);
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
INSERT INTO attempts VALUES(1,X'b06aa45eb35423f988e36c022967b4c02bb719b037717df13fa57c0f503d8a20',X'cc425eb8a72641ec72df72dfb5b290e3',X'a64e98ff18a83009e15ef5bf714722bf','SETTLED',3,X'ec6e0e6835f356ba32940bcd1e1c0d9e106b4a7b1f873feb7f166ce7a0987c74',0,0,1,0,0,1200,'',1795251601000,X'61207369676e65642072657175657374',X'61207369676e656420766f7563686572',X'61207369676e65642072656365697074',NULL,NULL,NULL,1200,0,'USD',0,X'4997e08e8363a80ef5069bfa563f28db',1,X'247e92077c2b26a6a2eacfdb22a74e0a',0,X'1f77019574826d4964f8830385ab96e9','1234',0,1796547600000,1795251601000,1795251661000,0,0,1);
INSERT INTO attempts VALUES(2,X'2fc41ef02a3216e4311805a9a11405a41a8d7a9f179526b4f6f2866bff009a10',X'c04ac688c7d3ac341314f4a46b449657',X'a64e98ff18a83009e15ef5bf714722bf','AUTHORIZED',2,X'13eacbcac8e8947018c3e0bf81e6838d17d3d38e3204f1b37bb6cb409571a237',0,0,0,0,0,0,'',1795251602000,X'61207369676e65642072657175657374',X'61207369676e656420766f7563686572',NULL,NULL,NULL,NULL,1200,0,'USD',0,X'4997e08e8363a80ef5069bfa563f28db',2,X'247e92077c2b26a6a2eacfdb22a74e0a',0,X'ee60d3b84974b693df7934e3c3193ffc','1234',0,1796547600000,1795251602000,1795251662000,0,0,1);
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
INSERT INTO outbox VALUES('CLAIM',X'2fc41ef02a3216e4311805a9a11405a41a8d7a9f179526b4f6f2866bff009a10',X'c04ac688c7d3ac341314f4a46b449657',1796547600000,1200,'USD',1795251602000,0,0,'');
CREATE TABLE events (
    seq     INTEGER PRIMARY KEY CHECK (seq >= 1),
    payment BLOB    CHECK (length(payment) = 16),
    time    INTEGER NOT NULL CHECK (time >= 0),
    body    BLOB    NOT NULL
) STRICT;
INSERT INTO events VALUES(1,X'cc425eb8a72641ec72df72dfb5b290e3',1795251600000,X'080112060890bb85d8065a320a2463633432356562382d613732362d343165632d373264662d373264666235623239306533120531322e30301a03555344');
INSERT INTO events VALUES(2,X'cc425eb8a72641ec72df72dfb5b290e3',1795251600000,X'080212060890bb85d8065a320a2463633432356562382d613732362d343165632d373264662d373264666235623239306533120531322e30301a03555344');
INSERT INTO events VALUES(3,X'cc425eb8a72641ec72df72dfb5b290e3',1795251600000,X'080312060890bb85d8065a320a2463633432356562382d613732362d343165632d373264662d373264666235623239306533120531322e30301a03555344');
CREATE TABLE calls (
    request_id BLOB    NOT NULL PRIMARY KEY CHECK (length(request_id) = 16),
    method     TEXT    NOT NULL,
    content    BLOB    NOT NULL CHECK (length(content) = 32),
    subject    BLOB    CHECK (length(subject) = 16),
    time       INTEGER NOT NULL CHECK (time >= 0)
) STRICT, WITHOUT ROWID;
INSERT INTO calls VALUES(X'7edb360f06acaef2cc80dba16cf563f1','Accept',X'ed7002b439e9ac845f22357d822bac1444730fbdb6016d3ec9432297b9ec9f73',X'cc425eb8a72641ec72df72dfb5b290e3',1795251600000);
CREATE TABLE unsettled (
    currency   TEXT    NOT NULL PRIMARY KEY CHECK (currency GLOB '[A-Z][A-Z][A-Z]'),
    count      INTEGER NOT NULL CHECK (count >= 0),
    total      INTEGER NOT NULL CHECK (total >= 0),
    guaranteed INTEGER NOT NULL CHECK (guaranteed >= 0)
) STRICT, WITHOUT ROWID;
INSERT INTO unsettled VALUES('USD',1,1200,0);
DELETE FROM sqlite_sequence;
INSERT INTO sqlite_sequence VALUES('goose_db_version',2);
CREATE INDEX attempts_payment ON attempts (payment);
CREATE UNIQUE INDEX attempts_live ON attempts (business, payment)
    WHERE state IN ('AUTHORIZED', 'PROVISIONAL', 'SETTLED', 'REJECTED') AND cancel = 0;
CREATE INDEX attempts_unfinished ON attempts (created_at, state)
    WHERE state IN ('REQUESTED', 'AUTHORIZED', 'PROVISIONAL');
CREATE INDEX attempts_unacked ON attempts (preauth, cancel_order)
    WHERE cancel_order > 0 AND cancel_acked = 0;
CREATE INDEX attempts_list ON attempts (created_at, request) WHERE latest = 1;
CREATE INDEX sales_list ON sales (created_at, id);
CREATE INDEX sales_waiting ON sales (created_at) WHERE state IN ('OPEN', 'AWAITING');
CREATE INDEX sales_unsettled ON sales (created_at) WHERE state IN ('AWAITING', 'PROVISIONAL');
CREATE UNIQUE INDEX sales_open ON sales (state) WHERE state = 'OPEN';
CREATE INDEX asks_payment ON asks (payment);
CREATE UNIQUE INDEX asks_voucher ON asks (preauth, counter) WHERE preauth IS NOT NULL AND voucher IS NOT NULL;
CREATE INDEX asks_owed ON asks (owed) WHERE owed = 1;
CREATE INDEX outbox_due ON outbox (deadline, total DESC, next_try);
CREATE INDEX events_payment ON events (payment) WHERE payment IS NOT NULL;
COMMIT;
