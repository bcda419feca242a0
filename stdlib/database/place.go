package database

import (
	"crypto/rand"
	"fmt"
	"slices"
	"strings"

	"github.com/rollsh/rollsh/nodes"
)

// Place is a database on a node.
type Place struct {
	On       nodes.Set    `lua:"on,required" type:"Node|Set"` // one node
	Database string       `lua:"database,required"`
	User     string       `lua:"user"` // and the following: empty means what the programs there go by
	Password nodes.Secret `lua:"password"`
	Host     string       `lua:"host"`
	Port     int          `lua:"port"`
	Sudo     string       `lua:"sudo"` // user to run the programs as; empty: the login
}

// Node is the one node of a place that was checked.
func (p Place) Node() *nodes.Node { return p.On.Nodes[0] }

// Same reports whether two places are one database, by what is written of them.
func (p Place) Same(q Place) bool {
	return p.Node().Name == q.Node().Name && p.Database == q.Database && p.Host == q.Host && p.Port == q.Port
}

// databaseName leaves out what would need care in the names of databases that are
// made beside it, and what a program takes for an address or an option.
var databaseName = nodes.Pattern(`^[A-Za-z0-9_$][A-Za-z0-9_$-]{0,47}$`)

// Check refuses what cannot be a place. which is what a recipe calls it, more are
// further texts that belong to it. The error is of kind usage.
func (p Place) Check(which string, more ...string) error {
	switch {
	case len(p.On.Nodes) != 1:
		return Usage(which + ".on: expected one node")
	case p.Port < 0 || p.Port > 65535:
		return Usage(fmt.Sprintf("%s.port: %d is not the number of a port", which, p.Port))
	case !databaseName().MatchString(p.Database):
		return Usage(which + ".database: '" + nodes.Clean(p.Database) + "' is not a name that can be copied")
	case strings.ContainsAny(p.User+p.Host+p.Password.Reveal()+strings.Join(more, ""), "\n\r\x00"):
		return Usage(which + ": each of its texts is one line")
	}
	return nil
}

// Beside gives names for two databases beside one: the fresh copy, and what is
// there now. No two calls give the same.
func (p Place) Beside() (fresh, old string) {
	mark := strings.ToLower(rand.Text()[:8])
	return p.Database + "_new_" + mark, p.Database + "_old_" + mark
}

// What is what of a database is copied, and what is done to the copy.
type What struct {
	Tables   []string `lua:"tables" doc:"only these tables; all without it"`
	Skip     []string `lua:"skip" doc:"tables that arrive empty"`
	AfterSQL string   `lua:"after_sql" doc:"SQL that is run on the copy before it is put in place"`
}

// Check refuses what cannot be names of tables. The error is of kind usage.
func (w What) Check() error {
	for _, table := range slices.Concat(w.Tables, w.Skip) {
		if table == "" || strings.ContainsAny(table, "\x00\n\r") {
			return Usage("'" + nodes.Clean(table) + "' is not a name of a table")
		}
	}
	return nil
}

// Lacks is the error of kind notfound that a source does not hold a named table.
func (p Place) Lacks(table string) error {
	return &nodes.Error{Kind: nodes.NotFound, Node: p.Node().Name, Message: "database " + p.Database + " has no table " + nodes.Clean(table)}
}

// Usage is an error of what was asked for.
func Usage(message string) error { return &nodes.Error{Kind: nodes.Usage, Message: message} }
