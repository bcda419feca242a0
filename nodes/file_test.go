package nodes_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/rollsh/rollsh/nodes"
)

// folder makes a nodes folder of "-- NAME --" parts; the first part is prod.
func folder(text string) fstest.MapFS {
	dir := fstest.MapFS{}
	name := "prod"
	for line := range strings.Lines(text) {
		if n, ok := strings.CutPrefix(line, "-- "); ok {
			name = strings.TrimSuffix(strings.TrimSpace(n), " --")
			continue
		}
		if dir[name] == nil {
			dir[name] = &fstest.MapFile{}
		}
		dir[name].Data = append(dir[name].Data, line...)
	}
	return dir
}

// show writes what matters of a node on one line.
func show(n *nodes.Node) string {
	return fmt.Sprintf("%s=%s tier=%s path=%s tags=%v key=%s at_once=%s drain=%s vars=%v", n.Name, n.Endpoint(), n.Tier, n.Path, n.Tags, n.Key, n.AtOnce, n.Drain, n.Vars)
}

func TestLoad(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"plain":      {"web1", "web1=web1 tier= path= tags=[] key= at_once= drain= vars=map[]"},
		"all fields": {"web1 10.0.0.1:2222 user=u key=k tags=a,b path=/srv at_once=2 drain='a b' x-rack=r1", "web1=u@10.0.0.1:2222 tier= path=/srv tags=[a b] key=k at_once=2 drain=a b vars=map[rack:r1]"},
		"defaults":   {"user=u\nx-a=1\n[app] path=/app x-a=2 x-b=3\nweb1 x-b=4 # comment\nweb2 user=", "web1=u@web1 tier=app path=/app tags=[] key= at_once= drain= vars=map[a:2 b:4]\nweb2=web2 tier=app path=/app tags=[] key= at_once= drain= vars=map[a:2 b:3]"},
		"late":       {"web1\nuser=u", "web1=u@web1 tier= path= tags=[] key= at_once= drain= vars=map[]"},
		"ranges":     {"web[08-10] 10.0.0.[8-10]:[2208-2210]", "web08=10.0.0.8:2208...web09=10.0.0.9:2209...web10=10.0.0.10:2210..."},
		"brackets":   {"web1 h path=/www[1-2]\nweb[2-3] i[2-3] drain='ls [0-9]'", "path=/www[1-2]...drain=ls [0-9]"},
	} {
		set, err := nodes.Load(folder(c.text), "prod")
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		var lines []string
		for _, n := range set.Nodes {
			lines = append(lines, show(n))
		}
		got := strings.Join(lines, "\n")
		for _, want := range strings.Split(c.want, "...") {
			if !strings.Contains(got, want) {
				t.Errorf("%s:\n%s\nwant\n%s", name, got, c.want)
			}
		}
	}
}

func TestLoadShapes(t *testing.T) {
	for text, want := range map[string]string{
		"web[1-3]":                                          "web1 web2 web3",
		"web[1-2] h[1-2]":                                   "web1=h1 web2=h2",
		"web[1-2] host=h[1-2]":                              "web1=h1 web2=h2",
		"v6 fd00::1":                                        "v6=fd00::1",
		"v6 [fd00::1]:2222":                                 "v6=[fd00::1]:2222",
		"v[1-2] fd00::[1-2]":                                "v1=fd00::1 v2=fd00::2",
		"v[1-2] [fd00::[1-2]]:22":                           "v1=[fd00::1]:22 v2=[fd00::2]:22",
		"v6 fe80::1%eth0":                                   "v6=fe80::1%eth0",
		"\uFEFFa\r\n\r\n# x\r\nb\r\n":                       "a b",
		"a \"10.0.0.1\" 'user=me'":                          "a=me@10.0.0.1",
		"a x-y=1#2 #user=no":                                "a",
		"a host=h port=5":                                   "a=h:5",
		"port=9\na h\nb h:10":                               "a=h:9 b=h:10",
		"a\n[t] user=u\nb\n[s]\nc":                          "a u@b c",
		"[1-2]x":                                            "1x 2x",
		"include other\nc\n-- other --\na\n[x]\nb\n":        "a b c",
		"user=u\ninclude o\n-- o --\na\nb user=v\n":         "u@a v@b",
		"[t] user=u port=7\ninclude o\nc\n-- o --\na\n":     "u@a:7 u@c:7",
		"include o\nb\n-- o --\nuser=u\n[x] path=/x\na\n":   "u@a b",
		"a jump=\"me@gate:2222\" proxy=\"nc -X 5 '%h' %p\"": "a",
	} {
		set, err := nodes.Load(folder(text+"\n"), "prod")
		var words []string
		for _, n := range set.Nodes {
			w := n.Endpoint()
			if n.Host != "" {
				w = string(n.Name) + "=" + w
			}
			words = append(words, w)
		}
		if got := strings.Join(words, " "); err != nil || got != want {
			t.Errorf("%q: %s, %v; want %s", text, got, err, want)
		}
	}
}

func TestIncludedTiers(t *testing.T) {
	set, err := nodes.Load(folder("[t]\ninclude o\n[u]\nd\n-- o --\na\n[x]\nb\n"), "prod")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, n := range set.Nodes {
		got = append(got, string(n.Name)+"@"+n.Tier+":"+n.Source)
	}
	if want := "a@t:nodes/o:1 b@x:nodes/o:3 d@u:nodes/prod:4"; strings.Join(got, " ") != want {
		t.Errorf("%v, want %s", got, want)
	}
}

func TestMistakes(t *testing.T) {
	for text, want := range map[string]string{
		"web1 usr=me":                        "nodes/prod:1: unknown key 'usr' (hint: did you mean 'user'? Keys of your own are x-NAME)",
		"web1 rack=7":                        "nodes/prod:1: unknown key 'rack' (hint: known are",
		"web1 datacentre=7":                  "nodes/prod:1: unknown key 'datacentre' (hint: known are host port user key jump proxy tags path at_once drain undrain check; for a key of your own write x-datacentre)",
		"web1 x_rack=7":                      "nodes/prod:1: unknown key 'x_rack' (hint: known are host port user key jump proxy tags path at_once drain undrain check; for a key of your own write x-rack)",
		"web1 path=~/www":                    "nodes/prod:1: path '~/www' is not absolute: what ~ is must be written out",
		"web1 usr=a\nweb[1-2] h[1-3]\nweb2":  "4 mistakes in nodes/prod\n  nodes/prod:1: unknown key 'usr' (hint: did you mean 'user'? Keys of your own are x-NAME)\n  nodes/prod:2: web[1-2] is 2 nodes, h[1-3] is 3 addresses (hint: make both ranges the same length)\n  nodes/prod:2: web1 is declared already at nodes/prod:1 (hint: give it another name or drop it)\n  nodes/prod:3: web2 is declared already at nodes/prod:2",
		"a ::1\nb [0:0::1]:22":               "nodes/prod:2: b and a (nodes/prod:1) are both [0:0::1]:22",
		"web1 h user = me":                   "3 mistakes in nodes/prod\n  nodes/prod:1: 'user' is not key=value",
		"web1 user=a user=b":                 "nodes/prod:1: 'user' is given twice",
		"web1 h:0":                           "nodes/prod:1: web1: bad port '0', a port is a number from 1 to 65535",
		"web1 h:65536":                       "nodes/prod:1: web1: bad port '65536'",
		"web1 h:":                            "nodes/prod:1: web1: bad port ''",
		"web1 h:22x":                         "nodes/prod:1: web1: bad port '22x'",
		"web1 port=x":                        "nodes/prod:1: bad port 'x'",
		"web1 h:5 port=6":                    "nodes/prod:1: web1 has a port in its address and port=6",
		"web1 h host=i":                      "nodes/prod:1: web1 has an address and host=i",
		"web1 me@h":                          "nodes/prod:1: web1: an address has no user, write h user=me",
		"web1 [fd00::1":                      "nodes/prod:1: web1: bad address '[fd00::1', write [IPv6]:port",
		"web1 fd00::zz":                      "nodes/prod:1: web1: 'fd00::zz' is not an IPv6 address",
		"web1 -oProxyCommand":                "nodes/prod:1: web1: '-oProxyCommand' is not a host name or address",
		"web1 user=-l":                       "nodes/prod:1: bad user '-l'",
		"web1 path=srv/www":                  "nodes/prod:1: path 'srv/www' is not absolute, write /srv/www",
		"web1 at_once=most":                  "nodes/prod:1: at_once takes a number from 1",
		"web1 tags=a;b":                      "nodes/prod:1: bad tag 'a;b'",
		"we!b":                               "nodes/prod:1: 'we!b' cannot be the name of a node",
		"-web":                               "nodes/prod:1: '-web' cannot be the name of a node",
		"web1 'h":                            "nodes/prod:1: ' is not closed",
		"web1 \\":                            `nodes/prod:1: a line cannot go on after '\'`,
		"web1\nweb1 h":                       "nodes/prod:2: web1 is declared already at nodes/prod:1",
		"a h\n\nb h:22":                      "nodes/prod:3: b and a (nodes/prod:1) are both h:22",
		"port=22\na h\nb h port=":            "nodes/prod:3: b and a (nodes/prod:2) are both h",
		"web[1-2] h":                         "nodes/prod:1: 2 nodes have one address, h",
		"web[1-2] h[1-3]":                    "nodes/prod:1: web[1-2] is 2 nodes, h[1-3] is 3 addresses",
		"web[1-2] h[1-2] path=/www[1-2]":     "nodes/prod:1: path=/www[1-2] holds a range, and would be taken as written on 2 nodes (hint: ranges stand in names and addresses: write a line for each node)",
		"web[1-2] h[1-2] key=~/k[1-2]":       "nodes/prod:1: key=~/k[1-2] holds a range",
		"web[1-2":                            "nodes/prod:1: web[1-2: '[1-2' has no ']'",
		"web[1-999999]":                      "nodes/prod:1: web[1-999999]: more than 100000 nodes",
		"[ app ]":                            "nodes/prod:1: '[' is not a tier",
		"[1-3]":                              "nodes/prod:1: '[1-3]' is not a tier",
		"[app] host=h":                       "nodes/prod:1: host cannot be a default",
		"host=h":                             "nodes/prod:1: host cannot be a default",
		"[app]\nuser=u":                      "nodes/prod:2: 'user=u' stands after the first tier (hint: put it on the line of [app], or before the first tier)",
		"=x":                                 "nodes/prod:1: '=' without a key before it",
		"a\x00":                              "nodes/prod:1: a byte that is not text",
		"a\xff":                              "nodes/prod:1: a byte that is not text",
		"a \x1b[2J":                          "nodes/prod:1: a byte that is not text",
		"include":                            "nodes/prod:1: include takes one name",
		"include a b":                        "nodes/prod:1: include takes one name",
		"include ../x":                       "nodes/prod:1: '../x' cannot be a nodes file",
		"include /etc/passwd":                "nodes/prod:1: '/etc/passwd' cannot be a nodes file",
		"include prod":                       "nodes/prod:1: include runs in a circle: prod -> prod",
		"include prdo":                       "nodes/prod:1: no nodes file nodes/prdo (hint: did you mean 'prod'?)",
		"include o\n-- o --\ninclude prod\n": "nodes/o:1: include runs in a circle: prod -> o -> prod",
		"include a\ninclude b\n-- a --\ninclude o\n-- b --\ninclude o\n-- o --\nx\n": "nodes/b:1: nodes/o is taken in twice",
		"a\ninclude o\n-- o --\na\n": "nodes/o:1: a is declared already at nodes/prod:1",
		"web1 h:0\nweb2 usr=x\n[t\n": "3 mistakes in nodes/prod\n  nodes/prod:1: web1: bad port '0', a port is a number from 1 to 65535\n  nodes/prod:2: unknown key 'usr'",
	} {
		_, err := nodes.Load(folder(text), "prod")
		if err == nil || !strings.HasPrefix(err.Error(), want) || nodes.KindOf(err) != nodes.Usage {
			t.Errorf("%q:\n got %v\nwant %s", text, err, want)
		}
	}
}

func TestAllMistakesAreKept(t *testing.T) {
	_, err := nodes.Load(folder("a h:0\nb h:0\nc q=1 r=2\n"), "prod")
	var e *nodes.Error
	if !errors.As(err, &e) || len(e.Errors) != 4 {
		t.Fatalf("%v", err)
	}
	for i, want := range []string{"nodes/prod:1", "nodes/prod:2", "nodes/prod:3", "nodes/prod:3"} {
		if got := nodes.AsError(e.Errors[i], nodes.Internal).Where; got != want {
			t.Errorf("mistake %d is at %s, want %s", i, got, want)
		}
	}
}

func TestHostileFileIsBounded(t *testing.T) {
	for name, text := range map[string]string{
		"duplicates": strings.Repeat("x[1-99999]\n", 50000),
		"long":       strings.Repeat("x", 9<<20),
		"mistakes":   strings.Repeat("!\n", 1<<20),
		"many":       strings.Repeat("a[1-9]b[1-9]c[1-9]d[1-9]e[1-9]f[1-9]\n", 1000),
	} {
		_, err := nodes.Load(folder(text), "prod")
		if err == nil || len(err.Error()) > 1<<17 {
			t.Errorf("%s: %d bytes of error", name, len(fmt.Sprint(err)))
		}
	}
}

func TestFileNames(t *testing.T) {
	dir := folder("a\n-- staging --\nb\n-- README.md --\nc\n-- prod~ --\nd\n-- .hidden --\ne\n-- sub/x --\nf\n")
	got, err := nodes.FileNames(dir)
	if fmt.Sprint(got) != "[prod staging]" || err != nil {
		t.Errorf("%v, %v", got, err)
	}
	if got, err := nodes.FileNames(nodes.Folder(t.TempDir())); len(got) != 0 || err != nil {
		t.Errorf("no folder: %v, %v", got, err)
	}
}

func TestLoadUnknown(t *testing.T) {
	_, err := nodes.Load(folder("a\n"), "prd")
	if nodes.KindOf(err) != nodes.NotFound || err.Error() != "no nodes file nodes/prd (hint: did you mean 'prod'?)" {
		t.Error(err)
	}
}

func TestFind(t *testing.T) {
	dir := folder("web1 h1\nweb2 h2\nonly h3\n-- staging --\nweb1 s1\nweb2 h2\n-- all --\nuser=u\ninclude cdn\n-- cdn --\ncdn1 c1\n")
	for name, want := range map[string]string{
		"only":         "h3",
		"web2":         "h2",
		"staging/web1": "s1",
		"cdn1":         "u@c1",
		"cdn/cdn1":     "c1",
		"web1":         "!usage 'web1' is more than one node: prod/web1 (h1), staging/web1 (s1) (hint: write prod/web1)",
		"wbe2":         "!notfound unknown node 'wbe2' (hint: did you mean 'web2'?)",
		"prod/cdn1":    "!notfound no node 'cdn1' in prod",
		"prdo/web1":    "!notfound no nodes file nodes/prdo (hint: did you mean 'prod'?)",
		"../prod/web1": "!usage '..' cannot be a nodes file",
		"\x1b[2Jx":     "!notfound unknown node 'x'",
		"quite-other":  "!notfound unknown node 'quite-other' (hint: it is in none of nodes/all, nodes/cdn, nodes/prod, nodes/staging, and no Host of ~/.ssh/config)",
	} {
		n, err := nodes.Find(dir, name)
		got := ""
		if err != nil {
			got = "!" + string(nodes.KindOf(err)) + " " + err.Error()
		} else {
			got = n.Endpoint()
		}
		if got != want && !(strings.HasPrefix(want, "!") && strings.HasPrefix(got, want)) {
			t.Errorf("%q: %s, want %s", name, got, want)
		}
	}
	dir["broken"] = &fstest.MapFile{Data: []byte("x y z\n")}
	if _, err := nodes.Find(dir, "only"); err == nil || !strings.Contains(err.Error(), "nodes/broken:1") {
		t.Errorf("a broken file may hold the name: %v", err)
	}
	if _, err := nodes.Find(dir, "prod/only"); err != nil {
		t.Errorf("a broken file beside is no matter: %v", err)
	}
}

// FuzzLoad holds that whatever is in a file, it is refused or gives nodes that
// can be used without harm.
func FuzzLoad(f *testing.F) {
	for _, s := range []string{"web[1-3] 10.0.0.[1-3]:22 user=me # x", "[app] path=/srv\nweb1 \"a b\"", "include o", "a=b", "[", "x [::1]:2", "a \\"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		set, err := nodes.Load(fstest.MapFS{"prod": {Data: []byte(text)}}, "prod")
		if err != nil {
			if k := nodes.KindOf(err); k != nodes.Usage || nodes.Clean(err.Error()) != err.Error() {
				t.Fatalf("%s %q", k, err)
			}
			return
		}
		if err := set.Check(); err != nil {
			t.Fatal(err)
		}
		for _, n := range set.Nodes {
			if strings.HasPrefix(n.Address(), "-") || strings.HasPrefix(n.User, "-") || n.Port < 0 || n.Port > 65535 || n.Name == "" {
				t.Fatalf("%+v", n)
			}
		}
	})
}

// TestSamples: the files that come with rollsh are good ones.
func TestSamples(t *testing.T) {
	for _, name := range []string{"prod", "staging"} {
		set, err := nodes.Load(nodes.Folder(".."), name)
		if err != nil || len(set.Tiers()) < 2 {
			t.Errorf("%s: %s, %v", name, set.Fold(), err)
		}
	}
}
