-- What grows for years, and what may be let go of.

-- When a delivery's body was let go of; 0: it is there. -1: it is there although
-- the walk that lets go of old ones has passed it, because it was still needed or
-- has come again. Only those few are in the index: a new delivery is not.
ALTER TABLE inbox ADD COLUMN emptied_at BIGINT NOT NULL DEFAULT 0;
CREATE INDEX inbox_passed ON inbox (id) WHERE emptied_at < 0;

-- What is left of the orders of people who were forgotten. hash is the order's
-- reference and person its buyer, keyed by a secret among the marks: who knows
-- an order can find its row, but no row says which order or whose it is. A bursar
-- that does not know the table takes such an order for a new one.
CREATE TABLE forgotten (
	hash      {{BYTES}} NOT NULL PRIMARY KEY CHECK (length(hash) = 32),
	person    {{BYTES}} NOT NULL,
	shop      {{TEXT}} NOT NULL,
	kind      {{TEXT}} NOT NULL,
	product   {{TEXT}} NOT NULL,
	variants  {{TEXT}} NOT NULL,
	bought_at BIGINT NOT NULL,
	state     {{TEXT}} NOT NULL,
	until_at  BIGINT NOT NULL,
	true_at   BIGINT NOT NULL,
	proof     BIGINT NOT NULL
);
CREATE INDEX forgotten_newest ON forgotten (shop, kind, bought_at);
