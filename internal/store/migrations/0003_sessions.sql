-- Sessions of learners, and what must count at once on every replica. A bursar
-- that does not know these tables leaves them alone; what it decides then counts
-- when the provider has carried it out.

-- id is the SHA-256 of the cookie's value: who reads this table can pose as
-- nobody. sealed holds claims and tokens, encrypted by a key that is not here.
CREATE TABLE sessions (
	id           {{BYTES}} NOT NULL PRIMARY KEY CHECK (length(id) = 32),
	version      BIGINT NOT NULL DEFAULT 1,
	login        {{TEXT}} NOT NULL,
	issuer       {{TEXT}} NOT NULL,
	subject      {{TEXT}} NOT NULL,
	sid          {{TEXT}} NOT NULL,
	created_at   BIGINT NOT NULL,
	seen_at      BIGINT NOT NULL,
	idle_until   BIGINT NOT NULL,
	ends_at      BIGINT NOT NULL,
	lease        BIGINT NOT NULL DEFAULT 0,
	leased_until BIGINT NOT NULL DEFAULT 0,
	sealed       {{BYTES}} NOT NULL
);
CREATE INDEX sessions_subject ON sessions (issuer, subject);
CREATE INDEX sessions_sid ON sessions (issuer, sid) WHERE sid <> '';
CREATE INDEX sessions_idle ON sessions (idle_until);
CREATE INDEX sessions_ends ON sessions (ends_at);

-- What is good once: the state of a login, the jti of a logout token.
CREATE TABLE spent (
	what       {{TEXT}} NOT NULL,
	id         {{BYTES}} NOT NULL,
	keep_until BIGINT NOT NULL,
	PRIMARY KEY (what, id)
);
CREATE INDEX spent_keep ON spent (keep_until);

-- Roles that we decided to take from an account. done_at is 0 until the provider
-- has carried it out; tokens from before done_at may still carry the role.
CREATE TABLE removals (
	account    {{TEXT}} NOT NULL,
	role       {{TEXT}} NOT NULL,
	decided_at BIGINT NOT NULL,
	done_at    BIGINT NOT NULL DEFAULT 0,
	PRIMARY KEY (account, role)
);
CREATE INDEX removals_done ON removals (done_at) WHERE done_at > 0;
CREATE INDEX holdings_account ON holdings (account);

-- Of each part of what others may remember, how often it has changed: the
-- counters are read instead of the rows. A row is locked until its transaction
-- ends, so a counter never shows a change before it can be read.
CREATE TABLE versions (
	shard   BIGINT NOT NULL PRIMARY KEY,
	version BIGINT NOT NULL
);
