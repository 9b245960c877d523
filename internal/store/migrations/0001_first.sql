-- Times are milliseconds since 1970, UTC; 0 means "no time", except in due_at,
-- where NULL means "not by itself". Yes and no are 1 and 0. The words of
-- states are not checked here: they belong to the packages above, and a new
-- one must not need a new table.

CREATE TABLE inbox (
	id               {{ID}},
	shop             {{TEXT}} NOT NULL CHECK (shop <> ''),
	source           {{TEXT}} NOT NULL,
	kind             {{TEXT}} NOT NULL,
	ref              {{TEXT}} NOT NULL,
	event_key        {{BYTES}} NOT NULL CHECK (length(event_key) > 0),
	resent           SMALLINT NOT NULL CHECK (resent IN (0, 1)),
	received_at      BIGINT NOT NULL,
	last_received_at BIGINT NOT NULL,
	deliveries       BIGINT NOT NULL DEFAULT 1 CHECK (deliveries > 0),
	state            {{TEXT}} NOT NULL CHECK (state <> ''),
	note             {{TEXT}} NOT NULL DEFAULT '',
	due_at           BIGINT,
	generation       BIGINT NOT NULL DEFAULT 1,
	lease            BIGINT NOT NULL DEFAULT 0,
	leased_until     BIGINT NOT NULL DEFAULT 0,
	attempts         BIGINT NOT NULL DEFAULT 0,
	insist           SMALLINT NOT NULL DEFAULT 0 CHECK (insist IN (0, 1)),
	body             {{BYTES}} NOT NULL,
	UNIQUE (shop, event_key)
);
CREATE INDEX inbox_due ON inbox (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX inbox_leased ON inbox (leased_until) WHERE leased_until > 0;
CREATE INDEX inbox_parked ON inbox (id) WHERE state = 'parked';

CREATE TABLE facts (
	shop         {{TEXT}} NOT NULL,
	kind         {{TEXT}} NOT NULL CHECK (kind IN ('sale', 'subscription')),
	ref          {{TEXT}} NOT NULL,
	subscription {{TEXT}} NOT NULL,
	parent       {{TEXT}} NOT NULL,
	person       {{TEXT}} NOT NULL,
	email        {{TEXT}} NOT NULL,
	product      {{TEXT}} NOT NULL,
	variants     {{TEXT}} NOT NULL,
	bought_at    BIGINT NOT NULL,
	state        {{TEXT}} NOT NULL,
	until_at     BIGINT NOT NULL,
	true_at      BIGINT NOT NULL,
	proof        BIGINT NOT NULL CHECK (proof > 0),
	PRIMARY KEY (shop, kind, ref)
);
CREATE INDEX facts_person ON facts (person);
CREATE INDEX facts_subscription ON facts (shop, subscription);
CREATE INDEX facts_parent ON facts (shop, parent);
CREATE INDEX facts_newest ON facts (shop, kind, bought_at);

CREATE TABLE people (
	person       {{TEXT}} NOT NULL PRIMARY KEY CHECK (person <> ''),
	status       {{TEXT}} NOT NULL DEFAULT '',
	note         {{TEXT}} NOT NULL DEFAULT '',
	due_at       BIGINT,
	generation   BIGINT NOT NULL DEFAULT 1,
	lease        BIGINT NOT NULL DEFAULT 0,
	leased_until BIGINT NOT NULL DEFAULT 0,
	attempts     BIGINT NOT NULL DEFAULT 0,
	recheck      SMALLINT NOT NULL DEFAULT 0 CHECK (recheck IN (0, 1)),
	finished_at  BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX people_due ON people (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX people_leased ON people (leased_until) WHERE leased_until > 0;
CREATE INDEX people_status ON people (status);

CREATE TABLE accounts (
	person     {{TEXT}} NOT NULL REFERENCES people (person),
	account    {{TEXT}} NOT NULL CHECK (account <> ''),
	created    SMALLINT NOT NULL CHECK (created IN (0, 1)),
	held       SMALLINT NOT NULL CHECK (held IN (0, 1)),
	held_since BIGINT NOT NULL,
	invite_due SMALLINT NOT NULL CHECK (invite_due IN (0, 1)),
	PRIMARY KEY (person, account)
);

-- A holding does not refer to accounts: a lost lease may leave one behind for
-- an account that somebody else has just forgotten.
CREATE TABLE holdings (
	person  {{TEXT}} NOT NULL REFERENCES people (person),
	account {{TEXT}} NOT NULL CHECK (account <> ''),
	role    {{TEXT}} NOT NULL CHECK (role <> ''),
	ours    SMALLINT NOT NULL CHECK (ours IN (0, 1)),
	state   {{TEXT}} NOT NULL CHECK (state <> ''),
	PRIMARY KEY (person, account, role)
);

CREATE TABLE journal (
	id      {{ID}},
	person  {{TEXT}} NOT NULL REFERENCES people (person),
	at      BIGINT NOT NULL,
	word    {{TEXT}} NOT NULL,
	shop    {{TEXT}} NOT NULL,
	event   BIGINT NOT NULL,
	detail  {{TEXT}} NOT NULL,
	took_ns BIGINT NOT NULL
);
CREATE INDEX journal_person ON journal (person, at, id);

CREATE TABLE pins (
	about {{TEXT}} NOT NULL,
	name  {{TEXT}} NOT NULL,
	id    {{TEXT}} NOT NULL,
	PRIMARY KEY (about, name)
);

CREATE TABLE marks (
	name  {{TEXT}} NOT NULL PRIMARY KEY,
	value {{TEXT}} NOT NULL
);
