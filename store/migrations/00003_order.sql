-- +goose Up
-- Claims on one pre-authorization end at the same time. They go out in the
-- order in which they were stored, so that each gets what was left of the
-- guarantee then. stored is head.changes of that commit, 0 for what is older.
ALTER TABLE outbox ADD COLUMN stored INTEGER NOT NULL DEFAULT 0 CHECK (stored >= 0);
DROP INDEX outbox_due;
CREATE INDEX outbox_due ON outbox (deadline, stored, total DESC, next_try);
