package haproxy

import (
	"context"
	"encoding/csv"
	"strconv"
	"strings"

	"github.com/rollsh/rollsh/nodes"
)

// row is one server of the backend as one balancer sees it.
type row struct {
	server   string
	admin    string // ready, drain or maint
	up       bool
	sessions int
}

func find(rows []row, server string) *row {
	for i := range rows {
		if rows[i].server == server {
			return &rows[i]
		}
	}
	return nil
}

// The bits of srv_admin_state and the values of srv_op_state.
// Source: HAProxy's include/haproxy/server-t.h, enum srv_admin and srv_state.
const (
	adminMaint = 0x01 | 0x02 | 0x04 | 0x20 | 0x40
	adminDrain = 0x08 | 0x10
	opStarting = 1
	opRunning  = 2
)

// look reads the servers of the backend: what was ordered from "show servers
// state" (a server that is drained and down shows as DOWN in the statistics),
// how many sessions there are from "show stat".
func (b *Backend) look(ctx context.Context, lb *nodes.Node) ([]row, error) {
	answer, err := b.tell(ctx, lb, "show servers state "+b.cfg.Backend+";show stat")
	if err != nil {
		return nil, nodes.At(err, "", lb.Name)
	}
	rows, err := parse(answer, b.cfg.Backend)
	return rows, nodes.At(err, "", lb.Name)
}

func parse(answer, backend string) ([]row, error) {
	states, err := table(answer, "# be_id ", ' ')
	if nodes.KindOf(err) == nodes.NotFound {
		return nil, &nodes.Error{Kind: nodes.NotFound, Message: "haproxy knows no backend " + backend, Cause: err}
	}
	if err != nil {
		return nil, err
	}
	stats, err := table(answer, "# pxname,", ',')
	if err != nil {
		return nil, err
	}
	sessions := map[string]string{}
	for _, s := range stats {
		if s["pxname"] == backend && s["type"] == "2" {
			sessions[s["svname"]] = s["scur"]
		}
	}
	var rows []row
	for _, s := range states {
		if s["be_name"] != backend {
			continue
		}
		admin, err1 := strconv.Atoi(s["srv_admin_state"])
		op, err2 := strconv.Atoi(s["srv_op_state"])
		open, err3 := strconv.Atoi(sessions[s["srv_name"]])
		if err1 != nil || err2 != nil || err3 != nil {
			return nil, &nodes.Error{Kind: nodes.Protocol, Code: "answer", Message: "haproxy's statistics of " + backend + "/" + nodes.Clean(s["srv_name"]) + " cannot be read"}
		}
		rows = append(rows, row{server: s["srv_name"], admin: adminWord(admin), up: op == opStarting || op == opRunning, sessions: open})
	}
	if len(rows) == 0 {
		return nil, &nodes.Error{Kind: nodes.NotFound, Message: "haproxy's backend " + backend + " has no servers"}
	}
	return rows, nil
}

func adminWord(bits int) string {
	switch {
	case bits&adminMaint != 0:
		return "maint"
	case bits&adminDrain != 0:
		return "drain"
	}
	return "ready"
}

// table reads the rows under the header line that begins with start, up to an
// empty line, by the header's names. A missing header is what HAProxy says
// instead.
func table(answer, start string, comma rune) ([]map[string]string, error) {
	at := strings.Index("\n"+answer, "\n"+start)
	if at < 0 {
		return nil, refusal("the backend", oneLine(answer))
	}
	text, _, _ := strings.Cut(answer[at:], "\n\n")
	r := csv.NewReader(strings.NewReader(strings.TrimPrefix(text, "# ")))
	r.Comma, r.LazyQuotes, r.FieldsPerRecord = comma, true, -1
	lines, err := r.ReadAll()
	if err != nil || len(lines) == 0 {
		return nil, &nodes.Error{Kind: nodes.Protocol, Code: "answer", Message: "haproxy's answer cannot be read", Cause: err}
	}
	var out []map[string]string
	for _, fields := range lines[1:] {
		m := map[string]string{}
		for i, name := range lines[0] {
			if i < len(fields) {
				m[name] = fields[i]
			}
		}
		out = append(out, m)
	}
	return out, nil
}

// oneLine is a text of HAProxy's, cleaned and short.
func oneLine(s string) string {
	s = strings.Join(strings.Fields(nodes.Clean(s)), " ")
	if r := []rune(s); len(r) > 200 {
		s = string(r[:200]) + "…"
	}
	return s
}
