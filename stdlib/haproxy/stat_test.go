package haproxy

import (
	"strings"
	"testing"
)

const sample = `1
# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_uweight
3 web 1 web1 127.0.0.1 2 0 1
3 web 2 web2 127.0.0.1 0 8 1
3 web 3 web3 127.0.0.1 2 33 1

# pxname,svname,qcur,scur,status,type,
fe,FRONTEND,,9,OPEN,0,
web,web1,0,4,UP,2,
web,web2,0,0,DOWN,2,
web,web3,0,1,"MAINT (via ""x"")",2,
web,BACKEND,0,5,UP,1,

`

func TestParse(t *testing.T) {
	rows, err := parse(sample, "web")
	if err != nil {
		t.Fatal(err)
	}
	want := []row{{"web1", "ready", true, 4}, {"web2", "drain", false, 0}, {"web3", "maint", true, 1}}
	if len(rows) != 3 || rows[0] != want[0] || rows[1] != want[1] || rows[2] != want[2] {
		t.Errorf("got %+v, want %+v", rows, want)
	}
}

// FuzzParse: whatever a balancer says, it is read or refused; nothing is made up.
func FuzzParse(f *testing.F) {
	f.Add(sample)
	f.Add("No such backend.\n")
	f.Add(strings.ReplaceAll(sample, "scur", "x"))
	f.Add("# be_id be_name\n\n# pxname,\n")
	f.Fuzz(func(t *testing.T, answer string) {
		rows, err := parse(answer, "web")
		if (err == nil) != (len(rows) > 0) {
			t.Errorf("%d rows and %v", len(rows), err)
		}
		for _, r := range rows {
			if !strings.Contains(answer, r.server) || r.admin == "" {
				t.Errorf("%+v was not said", r)
			}
		}
	})
}
