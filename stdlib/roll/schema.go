package roll

// schemaVersion is raised with every change of the schema. Since 1 tables were
// added and nothing else, so an older journal is brought up to date by making
// what it lacks.
const schemaVersion = 3

// schema holds in SQLite and PostgreSQL alike; queries use $1, which both
// read. Times are UTC texts of equal length (see timeLayout), so they sort and
// can be read with any tool; the empty text means not yet.
var schema = []string{
	`CREATE TABLE IF NOT EXISTS schema_version (version INTEGER NOT NULL)`,
	`CREATE TABLE IF NOT EXISTS rolls (
		id         TEXT PRIMARY KEY,
		name       TEXT NOT NULL,
		who        TEXT NOT NULL,
		host       TEXT NOT NULL,
		recipe     TEXT NOT NULL,
		args       TEXT NOT NULL,
		files      TEXT NOT NULL,
		source     TEXT NOT NULL,
		from_rev   TEXT NOT NULL,
		to_rev     TEXT NOT NULL,
		digest     TEXT NOT NULL,
		options    TEXT NOT NULL,
		changesets TEXT NOT NULL,
		started    TEXT NOT NULL,
		ended      TEXT NOT NULL,
		state      TEXT NOT NULL,
		complete   INTEGER NOT NULL,
		why        TEXT NOT NULL)`,
	`CREATE INDEX IF NOT EXISTS rolls_by_name ON rolls (name, started)`,
	`CREATE INDEX IF NOT EXISTS rolls_by_time ON rolls (started, id)`,
	`CREATE TABLE IF NOT EXISTS roll_nodes (
		roll    TEXT NOT NULL REFERENCES rolls (id),
		place   INTEGER NOT NULL,
		node    TEXT NOT NULL,
		state   TEXT NOT NULL,
		why     TEXT NOT NULL,
		since   TEXT NOT NULL,
		out     INTEGER NOT NULL,
		touched INTEGER NOT NULL,
		rev     TEXT NOT NULL,
		undo    TEXT NOT NULL,
		PRIMARY KEY (roll, node))`,
	`CREATE TABLE IF NOT EXISTS steps (
		roll    TEXT NOT NULL REFERENCES rolls (id),
		seq     INTEGER NOT NULL,
		node    TEXT NOT NULL,
		what    TEXT NOT NULL,
		state   TEXT NOT NULL,
		intent  TEXT NOT NULL,
		ended   TEXT NOT NULL,
		outcome TEXT NOT NULL,
		why     TEXT NOT NULL,
		PRIMARY KEY (roll, seq))`,
	`CREATE TABLE IF NOT EXISTS notices (
		roll TEXT NOT NULL REFERENCES rolls (id),
		at   TEXT NOT NULL,
		why  TEXT NOT NULL)`,
	`CREATE TABLE IF NOT EXISTS takes (
		roll TEXT NOT NULL REFERENCES rolls (id),
		at   TEXT NOT NULL,
		who  TEXT NOT NULL,
		host TEXT NOT NULL,
		mode TEXT NOT NULL,
		PRIMARY KEY (roll, at))`,
	`CREATE TABLE IF NOT EXISTS telling (
		roll  TEXT PRIMARY KEY REFERENCES rolls (id),
		since TEXT NOT NULL)`,
	`CREATE TABLE IF NOT EXISTS locks (
		name      TEXT NOT NULL,
		kind      TEXT NOT NULL,
		token     TEXT NOT NULL,
		who       TEXT NOT NULL,
		host      TEXT NOT NULL,
		why       TEXT NOT NULL,
		roll      TEXT NOT NULL,
		since     TEXT NOT NULL,
		pid       INTEGER NOT NULL,
		process   TEXT NOT NULL,
		heartbeat TEXT NOT NULL,
		PRIMARY KEY (name, kind))`,
}
