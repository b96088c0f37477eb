-- 0002: policy, exemptions, joined logins, the chain of events, several nodes.
--
-- Why: rules and exemptions decide logins; a settled challenge stays until it
-- expires, so that a second request of the same login can join it; every row of
-- events carries a keyed hash over itself and the row before it; exporters,
-- leases, readings and nodes are what several processes share.
-- Old binary, new schema: refuses to start, and says that the database was
-- written by a newer version.
-- Undo: restore the backup taken before migrating; there are no down scripts.
--
-- New keys in the lines of events: l name of the rule, h node that decided,
-- i request that was answered, j number of the login that this one joined.

-- +goose Up

-- What decides logins beside applications, clients and groups. A rule's body is
-- JSON of what it matches ("match") and says ("then").
CREATE TABLE rule (
	id         TEXT   NOT NULL PRIMARY KEY,
	name       TEXT   NOT NULL UNIQUE,
	place      BIGINT NOT NULL, -- 1, 2, 3 ... without gaps
	body       TEXT   NOT NULL,
	created_us BIGINT NOT NULL
) WITHOUT ROWID;

CREATE TABLE trusted_ip (
	id          TEXT   NOT NULL PRIMARY KEY,
	application TEXT   NOT NULL,
	addresses   TEXT   NOT NULL, -- an address, a subnet, or two addresses with "-" between
	note        TEXT   NOT NULL,
	created_us  BIGINT NOT NULL,
	UNIQUE (application, addresses)
) WITHOUT ROWID;

CREATE TABLE cache_rule (
	id          TEXT   NOT NULL PRIMARY KEY,
	application TEXT   NOT NULL UNIQUE,
	type        TEXT   NOT NULL,
	life_us     BIGINT NOT NULL,
	created_us  BIGINT NOT NULL
) WITHOUT ROWID;

-- One-time bypasses that are not spent, one for each account at most.
CREATE TABLE bypass (
	id       TEXT   NOT NULL PRIMARY KEY,
	account  TEXT   NOT NULL UNIQUE REFERENCES account (id),
	from_us  BIGINT NOT NULL,
	until_us BIGINT NOT NULL,
	reason   TEXT   NOT NULL,
	actor    TEXT   NOT NULL
) WITHOUT ROWID;

-- Successes that are remembered.
CREATE TABLE cache_entry (
	subject  TEXT   NOT NULL,
	key      TEXT   NOT NULL,
	from_us  BIGINT NOT NULL,
	until_us BIGINT NOT NULL,
	seq      BIGINT NOT NULL, -- event of the login
	PRIMARY KEY (subject, key)
) WITHOUT ROWID;

ALTER TABLE client ADD COLUMN origin TEXT NOT NULL DEFAULT '';

ALTER TABLE authenticator ADD COLUMN rewound BOOLEAN NOT NULL DEFAULT FALSE;

-- The first challenge of the login, and what is compared when another request
-- wants to join it.
ALTER TABLE challenge ADD COLUMN login TEXT NOT NULL DEFAULT '';
ALTER TABLE challenge ADD COLUMN application TEXT NOT NULL DEFAULT '';
ALTER TABLE challenge ADD COLUMN origin TEXT NOT NULL DEFAULT ''; -- where the NAS says the person is
ALTER TABLE challenge ADD COLUMN session TEXT NOT NULL DEFAULT '';
ALTER TABLE challenge ADD COLUMN asked_us BIGINT NOT NULL DEFAULT 0;
ALTER TABLE challenge ADD COLUMN settled TEXT NOT NULL DEFAULT ''; -- JSON of the answer, '' while it is open
UPDATE challenge SET login = id;

-- HMAC-SHA-256 over the hash of the row before, first, last and body, each with
-- its length. Rows that were written before there was a chain have none.
ALTER TABLE event ADD COLUMN hash BLOB;

-- Links of the chain that are not rows of event, each with a keyed hash of its
-- own: 'begin', the newest event before the chain, and 'cut', the link before
-- the oldest event that is left.
CREATE TABLE chain (
	name TEXT   NOT NULL PRIMARY KEY,
	seq  BIGINT NOT NULL,
	hash BLOB   NOT NULL, -- empty if there is none
	mac  BLOB   NOT NULL
) WITHOUT ROWID;

-- How far exporters of events have come.
CREATE TABLE cursor (
	exporter TEXT   NOT NULL PRIMARY KEY,
	seq      BIGINT NOT NULL
) WITHOUT ROWID;

-- Work that one node at a time does for all.
CREATE TABLE lease (
	work     TEXT   NOT NULL PRIMARY KEY,
	holder   TEXT   NOT NULL,
	until_us BIGINT NOT NULL
) WITHOUT ROWID;

-- What nodes have learned of the patience of clients.
CREATE TABLE reading (
	client  TEXT   NOT NULL,
	node    TEXT   NOT NULL,
	time_us BIGINT NOT NULL,
	body    BLOB   NOT NULL, -- JSON
	PRIMARY KEY (client, node)
) WITHOUT ROWID;

CREATE TABLE node (
	name     TEXT   NOT NULL PRIMARY KEY,
	version  TEXT   NOT NULL, -- of the program
	since_us BIGINT NOT NULL,
	seen_us  BIGINT NOT NULL
) WITHOUT ROWID;

INSERT INTO meta (name, value) VALUES
	('rewound', 0); -- when it was last found that the database had gone back in time
