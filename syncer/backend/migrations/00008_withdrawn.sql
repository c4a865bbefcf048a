-- +goose Up
-- When, by whom and why an issuer key was taken back: it signs nothing from
-- then on, and no bundle lists it.
ALTER TABLE issuer_keys ADD COLUMN withdrawn_ms INTEGER CHECK (withdrawn_ms IS NULL OR listed = 0);
ALTER TABLE issuer_keys ADD COLUMN withdrawn_by TEXT NOT NULL DEFAULT '';
ALTER TABLE issuer_keys ADD COLUMN withdrawn_why TEXT NOT NULL DEFAULT '';
