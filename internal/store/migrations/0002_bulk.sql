-- bulk = 1: one of a crowd that became due at once (the daily look, a catalog
-- that changed), which a single purchase must not queue behind. A bursar that
-- does not know the column writes 0, and only loses the order.

ALTER TABLE inbox ADD COLUMN bulk SMALLINT NOT NULL DEFAULT 0 CHECK (bulk IN (0, 1));
ALTER TABLE people ADD COLUMN bulk SMALLINT NOT NULL DEFAULT 0 CHECK (bulk IN (0, 1));
CREATE INDEX inbox_ready ON inbox (bulk, due_at) WHERE due_at IS NOT NULL;
CREATE INDEX people_ready ON people (bulk, due_at) WHERE due_at IS NOT NULL;

-- How often in a row the shop has said that it does not know the purchase;
-- attempts also counts the times that it could not be asked.
ALTER TABLE inbox ADD COLUMN unknown BIGINT NOT NULL DEFAULT 0;

-- Two people may have one account: whose else is it?
CREATE INDEX accounts_account ON accounts (account);
