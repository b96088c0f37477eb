-- 0002: roles, sessions, ceremonies, API keys, tallies of events, searches.
--
-- Why: people sign in to the console and the portal; what was begun there can be
-- ended once; the dashboard counts events by the hour without reading them; acts
-- keep the record before and after; lists are searched.
-- Old binary, new schema: a node that still runs goes on logging people in, but
-- must not be the one that fills the indexes, for it would leave events out of
-- the tally; so all nodes are stopped before the first new one is started. It
-- refuses to start, and says that the database was written by a newer version.
-- Undo: restore the backup taken before migrating; there are no down scripts.
--
-- The tally begins with the events that are not folded yet at the upgrade: those
-- before would all have to be read. It is statistics and stays when events are
-- deleted.

-- +goose Up

ALTER TABLE account ADD COLUMN role TEXT COLLATE "C" NOT NULL DEFAULT '';

-- For searches. All are of few rows, or hold no more than what they ask for.
CREATE INDEX account_role ON account (name) WHERE role <> '';
CREATE INDEX account_blocked ON account (name) WHERE blocked;
CREATE INDEX account_disabled ON account (name) WHERE NOT enabled;
CREATE INDEX authenticator_factor ON authenticator (account, factor);
CREATE INDEX authenticator_holder ON authenticator (factor, account);

-- The https origins to which people may be sent back, of a client that is behind
-- a reverse proxy; JSON.
ALTER TABLE client ADD COLUMN origins TEXT NOT NULL DEFAULT '[]';

-- The record that was changed, as JSON without secrets; '' if there was none.
ALTER TABLE act ADD COLUMN before TEXT NOT NULL DEFAULT '';
ALTER TABLE act ADD COLUMN after TEXT NOT NULL DEFAULT '';
-- Letters are compared as SQLite does.
ALTER TABLE act ALTER COLUMN actor TYPE TEXT COLLATE "C";
ALTER TABLE act ALTER COLUMN action TYPE TEXT COLLATE "C";
ALTER TABLE act ALTER COLUMN subject TYPE TEXT COLLATE "C";
CREATE INDEX act_subject ON act (subject, seq);

-- The newest event of the hour. Where that was not kept, it is one that cannot
-- be older.
ALTER TABLE event_hour ADD COLUMN last BIGINT NOT NULL DEFAULT 0;
UPDATE event_hour SET last = (SELECT value FROM meta WHERE name = 'folded');

-- How many events there were of a kind in an hour since 1970, of those up to meta
-- 'folded'.
CREATE TABLE event_tally (
	hour        BIGINT NOT NULL,
	application TEXT   COLLATE "C" NOT NULL,
	client      TEXT   COLLATE "C" NOT NULL,
	outcome     BIGINT NOT NULL,
	factor      TEXT   COLLATE "C" NOT NULL,
	count       BIGINT NOT NULL,
	PRIMARY KEY (hour, application, client, outcome, factor)
);

-- Browsers in which somebody is signed in.
CREATE TABLE session (
	id         TEXT   COLLATE "C" NOT NULL PRIMARY KEY,
	token      BYTEA  NOT NULL UNIQUE, -- SHA-256
	account    TEXT   COLLATE "C" NOT NULL REFERENCES account (id),
	client     TEXT   COLLATE "C" NOT NULL,
	factor     TEXT   NOT NULL,
	proven_us  BIGINT NOT NULL,
	created_us BIGINT NOT NULL,
	seen_us    BIGINT NOT NULL,
	expires_us BIGINT NOT NULL,
	source     TEXT   NOT NULL,
	agent      TEXT   NOT NULL
) WITH (fillfactor = 70);
CREATE INDEX session_account ON session (account);
CREATE INDEX session_expires ON session (expires_us);

-- What was begun and can be ended once.
CREATE TABLE ceremony (
	id         TEXT   COLLATE "C" NOT NULL PRIMARY KEY,
	kind       TEXT   COLLATE "C" NOT NULL,
	account    TEXT   COLLATE "C" REFERENCES account (id), -- NULL if there is none yet
	body       BYTEA  NOT NULL, -- sealed as ceremony/body/id
	note       TEXT   NOT NULL,
	tries      BIGINT NOT NULL,
	created_us BIGINT NOT NULL,
	expires_us BIGINT NOT NULL
);
CREATE INDEX ceremony_kind ON ceremony (kind, account);
CREATE INDEX ceremony_account ON ceremony (account);
CREATE INDEX ceremony_expires ON ceremony (expires_us);

-- The roles that administrators have made.
CREATE TABLE role (
	name        TEXT   COLLATE "C" NOT NULL PRIMARY KEY,
	permissions TEXT   NOT NULL, -- JSON
	created_us  BIGINT NOT NULL
);

CREATE TABLE api_key (
	name        TEXT   COLLATE "C" NOT NULL PRIMARY KEY,
	secret      BYTEA  NOT NULL UNIQUE, -- SHA-256
	permissions TEXT   NOT NULL, -- JSON
	client      TEXT   COLLATE "C" NOT NULL, -- name of the one whose logins it brings, '' for none
	created_us  BIGINT NOT NULL,
	expires_us  BIGINT NOT NULL,
	used_us     BIGINT NOT NULL
);
