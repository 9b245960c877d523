-- What the tenant allows us to ask, shared by all who ask: when each bucket will
-- be full again, in microseconds since 1970. What a bucket's size and refill turned
-- out to be is kept too; 0 means that nobody has learnt it.
CREATE TABLE budget (
	tenant    {{TEXT}} NOT NULL,
	bucket    {{TEXT}} NOT NULL,
	full_at   BIGINT NOT NULL DEFAULT 0,
	closed_to BIGINT NOT NULL DEFAULT 0,
	burst     BIGINT NOT NULL DEFAULT 0,
	every_us  BIGINT NOT NULL DEFAULT 0,
	refusals  BIGINT NOT NULL DEFAULT 0,
	PRIMARY KEY (tenant, bucket)
);

-- What one of several replicas does for all of them.
CREATE TABLE turns (
	name         {{TEXT}} NOT NULL PRIMARY KEY,
	holder       {{TEXT}} NOT NULL DEFAULT '',
	leased_until BIGINT NOT NULL DEFAULT 0,
	began_at     BIGINT NOT NULL DEFAULT 0,
	finished_at  BIGINT NOT NULL DEFAULT 0,
	note         {{TEXT}} NOT NULL DEFAULT ''
);

-- Who is believed to hold a role; facts about a product.
CREATE INDEX holdings_role ON holdings (role, person, account);
CREATE INDEX facts_product ON facts (shop, product, person);
