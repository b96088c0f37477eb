-- 0001: the first schema on PostgreSQL.
--
-- Why: what the SQLite schema keeps, with the same names, for any number of
-- equal nodes. Times are microseconds since 1970 in UTC, 0 for "none"; IDs are
-- text, compared octet by octet (COLLATE "C") so that both databases sort alike;
-- lists are JSON that is only read back whole. What differs: the tables subject
-- and head, which order the logins of all nodes; moved and revocation, by which
-- nodes learn of what others have done. Open challenges and cache entries are
-- columns of subject.
-- Old binary, new schema: there is no older binary.
-- Undo: restore the backup taken before migrating; there are no down scripts.

-- +goose Up

-- Positions and counters that are single numbers.
CREATE TABLE meta (
	name  TEXT   COLLATE "C" NOT NULL PRIMARY KEY,
	value BIGINT NOT NULL
);

INSERT INTO meta (name, value) VALUES
	('folded', 0), -- events up to this number are in event_outcome and event_hour
	('indexed', 0), -- events up to this number are in event_subject
	('settings', 1), -- version of everything that decides logins and is not about one account
	('names', 1), -- rises with every new name
	('rewound', 0); -- when it was last found that the database had gone back in time

-- Whoever writes what decides logins locks this one row first: it orders all
-- commits of all nodes. One row; the page has room for its next versions.
CREATE TABLE head (
	one  BOOLEAN NOT NULL PRIMARY KEY CHECK (one),
	seq  BIGINT  NOT NULL, -- number of the newest event
	hash BYTEA   NOT NULL  -- of its row; empty before the first
) WITH (fillfactor = 10);

INSERT INTO head (one, seq, hash) VALUES (TRUE, 0, '');

-- What moves with every login of a subject: an account ID, or "?" and the
-- pseudonym of a name that no account has. The columns of text are JSON, or
-- empty. Pages have room so that a login changes one page and no index.
CREATE TABLE subject (
	id       TEXT   COLLATE "C" NOT NULL PRIMARY KEY,
	version  BIGINT NOT NULL,
	marks    TEXT   NOT NULL, -- newer ones than in the table spent, by authenticator
	answered TEXT   NOT NULL, -- the newest requests and their final answers
	logins   TEXT   NOT NULL, -- challenges, open ones and settled ones
	cached   TEXT   NOT NULL  -- successes that are remembered
) WITH (fillfactor = 70);

-- Keys that seal secrets, wrapped by the key file.
CREATE TABLE data_key (
	id      BIGINT NOT NULL PRIMARY KEY,
	wrapped BYTEA  NOT NULL
);

CREATE TABLE account (
	id               TEXT    COLLATE "C" NOT NULL PRIMARY KEY,
	name             TEXT    COLLATE "C" NOT NULL UNIQUE,
	aliases          TEXT    NOT NULL, -- JSON
	groups           TEXT    NOT NULL, -- JSON
	enabled          BOOLEAN NOT NULL,
	blocked          BOOLEAN NOT NULL,
	block_reason     TEXT    NOT NULL,
	blocked_until_us BIGINT  NOT NULL,
	created_us       BIGINT  NOT NULL
);

-- Every name that leads to an account, its own and its aliases: one name, one
-- account.
CREATE TABLE name (
	name    TEXT COLLATE "C" NOT NULL PRIMARY KEY,
	account TEXT COLLATE "C" NOT NULL REFERENCES account (id)
);
CREATE INDEX name_account ON name (account);

CREATE TABLE authenticator (
	place      BIGINT  NOT NULL PRIMARY KEY, -- order of creation, which is the order of preference
	id         TEXT    COLLATE "C" NOT NULL UNIQUE,
	account    TEXT    COLLATE "C" REFERENCES account (id), -- NULL if nobody holds it
	factor     TEXT    NOT NULL,
	label      TEXT    NOT NULL,
	serial     TEXT    COLLATE "C" UNIQUE, -- NULL if it has none
	created_us BIGINT  NOT NULL,
	state      BYTEA   NOT NULL, -- sealed as authenticator/state/id
	rewound    BOOLEAN NOT NULL
);
CREATE INDEX authenticator_account ON authenticator (account, place);
CREATE INDEX authenticator_rewound ON authenticator (rewound) WHERE rewound;

-- The newest moving factor that was accepted; it only rises. Newer ones are in
-- the holder's row of subject.
CREATE TABLE spent (
	authenticator TEXT   COLLATE "C" NOT NULL PRIMARY KEY,
	mark          BIGINT NOT NULL
);

-- Consecutive failures of a subject.
CREATE TABLE throttle (
	subject       TEXT   COLLATE "C" NOT NULL PRIMARY KEY,
	know_failures BIGINT NOT NULL,
	know_until_us BIGINT NOT NULL,
	have_failures BIGINT NOT NULL,
	have_until_us BIGINT NOT NULL,
	at_us         BIGINT NOT NULL -- time of the last event that changed it
) WITH (fillfactor = 70);

-- The audit record. Only ever appended to. A row holds events that were written
-- in one transaction, 64 at most, as a JSON array with one event on each line;
-- the keys are those of the SQLite schema.
CREATE TABLE event (
	last  BIGINT NOT NULL PRIMARY KEY, -- number of the newest event in body
	first BIGINT NOT NULL,             -- of the oldest
	body  TEXT   NOT NULL,
	hash  BYTEA                        -- keyed, over the row and the one before; NULL in rows of before there was a chain
);

-- The indexes below are filled behind the logins by one node for all. They go by
-- segments of 16,384 events; see the SQLite schema.
CREATE TABLE event_subject (
	segment BIGINT NOT NULL, -- event number / 16384
	subject TEXT   COLLATE "C" NOT NULL,
	body    TEXT   NOT NULL,
	PRIMARY KEY (segment, subject)
);

CREATE TABLE event_outcome (
	outcome BIGINT NOT NULL,
	segment BIGINT NOT NULL,
	PRIMARY KEY (outcome, segment)
);

CREATE TABLE event_hour (
	hour BIGINT NOT NULL PRIMARY KEY,
	seq  BIGINT NOT NULL
);

CREATE TABLE application (
	name       TEXT   COLLATE "C" NOT NULL PRIMARY KEY,
	created_us BIGINT NOT NULL
);

CREATE TABLE client (
	id             TEXT    COLLATE "C" NOT NULL PRIMARY KEY,
	name           TEXT    COLLATE "C" NOT NULL UNIQUE,
	door           TEXT    NOT NULL,
	application    TEXT    NOT NULL,
	source         TEXT    NOT NULL,
	mode           TEXT    NOT NULL,
	password       TEXT    NOT NULL,
	secrets        BYTEA   NOT NULL, -- sealed as client/secrets/id
	lax            BOOLEAN NOT NULL, -- accepts requests without Message-Authenticator
	rate           BIGINT  NOT NULL,
	attributes     TEXT    NOT NULL, -- JSON
	created_us     BIGINT  NOT NULL,
	origin         TEXT    NOT NULL
);

CREATE TABLE account_group (
	name       TEXT   COLLATE "C" NOT NULL PRIMARY KEY,
	attributes TEXT   NOT NULL, -- JSON
	created_us BIGINT NOT NULL
);

-- Administrative changes. Only ever appended to.
CREATE TABLE act (
	seq     BIGINT NOT NULL PRIMARY KEY,
	time_us BIGINT NOT NULL,
	actor   TEXT   NOT NULL,
	action  TEXT   NOT NULL,
	subject TEXT   NOT NULL,
	detail  TEXT   NOT NULL
);

-- The subjects that acts have moved, so that nodes forget what they remember of
-- them. Kept for an hour.
CREATE TABLE moved (
	act     BIGINT NOT NULL,
	subject TEXT   COLLATE "C" NOT NULL,
	PRIMARY KEY (act, subject)
);

-- What acts have taken away. Nodes copy it to a file of their own, so that it
-- can be taken away again from a database that went back in time.
CREATE TABLE revocation (
	act    BIGINT NOT NULL,
	place  BIGINT NOT NULL, -- order within the act
	kind   TEXT   NOT NULL,
	id     TEXT   NOT NULL, -- of the record
	detail TEXT   NOT NULL,
	PRIMARY KEY (act, place)
);

CREATE TABLE rule (
	id         TEXT   COLLATE "C" NOT NULL PRIMARY KEY,
	name       TEXT   COLLATE "C" NOT NULL UNIQUE,
	place      BIGINT NOT NULL, -- 1, 2, 3 ... without gaps
	body       TEXT   NOT NULL, -- JSON of what it matches and says
	created_us BIGINT NOT NULL
);

CREATE TABLE trusted_ip (
	id          TEXT   COLLATE "C" NOT NULL PRIMARY KEY,
	application TEXT   COLLATE "C" NOT NULL,
	addresses   TEXT   COLLATE "C" NOT NULL, -- an address, a subnet, or two addresses with "-" between
	note        TEXT   NOT NULL,
	created_us  BIGINT NOT NULL,
	UNIQUE (application, addresses)
);

CREATE TABLE cache_rule (
	id          TEXT   COLLATE "C" NOT NULL PRIMARY KEY,
	application TEXT   COLLATE "C" NOT NULL UNIQUE,
	type        TEXT   NOT NULL,
	life_us     BIGINT NOT NULL,
	created_us  BIGINT NOT NULL
);

-- One-time bypasses that are not spent, one for each account at most.
CREATE TABLE bypass (
	id       TEXT   COLLATE "C" NOT NULL PRIMARY KEY,
	account  TEXT   COLLATE "C" NOT NULL UNIQUE REFERENCES account (id),
	from_us  BIGINT NOT NULL,
	until_us BIGINT NOT NULL,
	reason   TEXT   NOT NULL,
	actor    TEXT   NOT NULL
);

-- Links of the chain of events that are not rows of event, each with a keyed
-- hash of its own: 'begin', the newest event before the chain, and 'cut', the
-- link before the oldest event that is left.
CREATE TABLE chain (
	name TEXT   COLLATE "C" NOT NULL PRIMARY KEY,
	seq  BIGINT NOT NULL,
	hash BYTEA  NOT NULL, -- empty if there is none
	mac  BYTEA  NOT NULL
);

-- How far exporters of events have come.
CREATE TABLE cursor (
	exporter TEXT   COLLATE "C" NOT NULL PRIMARY KEY,
	seq      BIGINT NOT NULL
);

-- Work that one node at a time does for all.
CREATE TABLE lease (
	work     TEXT   COLLATE "C" NOT NULL PRIMARY KEY,
	holder   TEXT   NOT NULL,
	until_us BIGINT NOT NULL
);

-- What nodes have learned of the patience of clients.
CREATE TABLE reading (
	client  TEXT   COLLATE "C" NOT NULL,
	node    TEXT   COLLATE "C" NOT NULL,
	time_us BIGINT NOT NULL,
	body    BYTEA  NOT NULL, -- JSON
	PRIMARY KEY (client, node)
);

CREATE TABLE node (
	name     TEXT   COLLATE "C" NOT NULL PRIMARY KEY,
	version  TEXT   NOT NULL, -- of the program
	since_us BIGINT NOT NULL,
	seen_us  BIGINT NOT NULL
);
