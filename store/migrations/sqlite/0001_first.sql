-- 0001: the first schema.
--
-- Why: everything that the engine and administrators keep. Times are
-- microseconds since 1970 in UTC, 0 for "none"; IDs are text; lists are JSON
-- that is only read back whole. What a login writes is a line in an appended row
-- of event; marks and search indexes follow behind it up to meta 'folded'.
-- Old binary, new schema: there is no older binary.
-- Undo: restore the backup taken before migrating; there are no down scripts.

-- +goose Up

-- Positions and counters that are single numbers.
CREATE TABLE meta (
	name  TEXT   NOT NULL PRIMARY KEY,
	value BIGINT NOT NULL
) WITHOUT ROWID;

INSERT INTO meta (name, value) VALUES
	('folded', 0), -- events up to this number are in spent, event_outcome and event_hour
	('indexed', 0), -- events up to this number are in event_subject
	('settings', 1), -- version of applications, clients and groups
	('clean', 1); -- 0 while a process has the database open

-- Keys that seal secrets, wrapped by the key file.
CREATE TABLE data_key (
	id      INTEGER PRIMARY KEY,
	wrapped BLOB NOT NULL
);

CREATE TABLE account (
	id               TEXT    NOT NULL PRIMARY KEY,
	name             TEXT    NOT NULL UNIQUE,
	aliases          TEXT    NOT NULL, -- JSON
	groups           TEXT    NOT NULL, -- JSON
	enabled          BOOLEAN NOT NULL,
	blocked          BOOLEAN NOT NULL,
	block_reason     TEXT    NOT NULL,
	blocked_until_us BIGINT  NOT NULL,
	created_us       BIGINT  NOT NULL
) WITHOUT ROWID;

-- Every name that leads to an account, its own and its aliases: one name, one
-- account.
CREATE TABLE name (
	name    TEXT NOT NULL PRIMARY KEY,
	account TEXT NOT NULL REFERENCES account (id)
) WITHOUT ROWID;
CREATE INDEX name_account ON name (account);

CREATE TABLE authenticator (
	place      INTEGER PRIMARY KEY, -- order of creation, which is the order of preference
	id         TEXT   NOT NULL UNIQUE,
	account    TEXT   REFERENCES account (id), -- NULL if nobody holds it
	factor     TEXT   NOT NULL,
	label      TEXT   NOT NULL,
	serial     TEXT   UNIQUE, -- NULL if it has none
	created_us BIGINT NOT NULL,
	state      BLOB   NOT NULL -- sealed as authenticator/state/id
);
CREATE INDEX authenticator_account ON authenticator (account, place);

-- The newest moving factor that was accepted; it only rises. Marks of events
-- after meta 'folded' are in those events.
CREATE TABLE spent (
	authenticator TEXT   NOT NULL PRIMARY KEY,
	mark          BIGINT NOT NULL
) WITHOUT ROWID;

-- Consecutive failures of a subject: an account ID, or "?" and the pseudonym
-- of a name that no account has.
CREATE TABLE throttle (
	subject       TEXT   NOT NULL PRIMARY KEY,
	know_failures BIGINT NOT NULL,
	know_until_us BIGINT NOT NULL,
	have_failures BIGINT NOT NULL,
	have_until_us BIGINT NOT NULL,
	at_us         BIGINT NOT NULL -- time of the last event that changed it
) WITHOUT ROWID;

-- Logins that wait for an answer. The number only rises, so that new ones are
-- appended.
CREATE TABLE challenge (
	seq        INTEGER PRIMARY KEY,
	id         TEXT   NOT NULL,
	subject    TEXT   NOT NULL,
	client     TEXT   NOT NULL,
	proven     TEXT   NOT NULL, -- JSON
	expires_us BIGINT NOT NULL
);

-- The audit record. Only ever appended to. A row holds events that were written
-- in one transaction, 64 at most, as a JSON array with one event on each line.
-- To look at them:
--   SELECT e.first + j.key AS seq, j.value FROM event e, json_each(e.body) j;
-- Keys: w microseconds since 1970, u subject, o outcome, v verdict,
-- y authenticator, p mark that is spent by this event, m mark if another,
-- t nanoseconds it took, d door, c client, a application, s source address,
-- f calling station, n account name, k factor, x failures, q count, r trace
-- (s stage, o passed, t nanoseconds, n note).
CREATE TABLE event (
	last  INTEGER PRIMARY KEY, -- number of the newest event in body
	first BIGINT NOT NULL,     -- of the oldest
	body  TEXT   NOT NULL
);

-- The indexes below are filled behind the logins. They go by segments of 16,384
-- events: an index over all events would change a page anywhere in it for every
-- login, one by segments only grows at its end, and a search looks once into
-- every segment. A row of event_subject holds some subjects in their order, the
-- first of which is its key: a JSON object of subjects and the numbers of their
-- events, with one subject on each line.
CREATE TABLE event_subject (
	segment BIGINT NOT NULL, -- event number / 16384
	subject TEXT   NOT NULL,
	body    TEXT   NOT NULL,
	PRIMARY KEY (segment, subject)
) WITHOUT ROWID;

-- Which segments hold any event of that outcome.
CREATE TABLE event_outcome (
	outcome BIGINT NOT NULL,
	segment BIGINT NOT NULL,
	PRIMARY KEY (outcome, segment)
) WITHOUT ROWID;

-- The first event of each hour since 1970. Clocks jump, so this says no more
-- than that: an event of that hour has this number or a higher one.
CREATE TABLE event_hour (
	hour BIGINT NOT NULL PRIMARY KEY,
	seq  BIGINT NOT NULL
);

CREATE TABLE application (
	name       TEXT   NOT NULL PRIMARY KEY,
	created_us BIGINT NOT NULL
) WITHOUT ROWID;

CREATE TABLE client (
	id             TEXT    NOT NULL PRIMARY KEY,
	name           TEXT    NOT NULL UNIQUE,
	door           TEXT    NOT NULL,
	application    TEXT    NOT NULL,
	source         TEXT    NOT NULL,
	mode           TEXT    NOT NULL,
	password       TEXT    NOT NULL,
	secrets        BLOB    NOT NULL, -- sealed as client/secrets/id
	lax            BOOLEAN NOT NULL, -- accepts requests without Message-Authenticator
	rate           BIGINT  NOT NULL,
	attributes     TEXT    NOT NULL, -- JSON
	created_us     BIGINT  NOT NULL
) WITHOUT ROWID;

CREATE TABLE account_group (
	name       TEXT   NOT NULL PRIMARY KEY,
	attributes TEXT   NOT NULL, -- JSON
	created_us BIGINT NOT NULL
) WITHOUT ROWID;

-- Administrative changes. Only ever appended to.
CREATE TABLE act (
	seq     INTEGER PRIMARY KEY,
	time_us BIGINT NOT NULL,
	actor   TEXT   NOT NULL,
	action  TEXT   NOT NULL,
	subject TEXT   NOT NULL,
	detail  TEXT   NOT NULL
);
