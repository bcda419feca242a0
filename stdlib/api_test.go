package stdlib_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/rollsh/rollsh/lua"
	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/stdlib"
)

// contract is version 1 of the Lua API: every name with the options that it
// takes. Names are added freely and never taken away.
const contract = `
nodes nodes.new node say warn fail ask:default,secret confirm choose:many secret env json.encode json.decode inspect require args
parallel timeout sleep defer print here sh glob os.time os.date os.clock
set:names set:fold set:tiers set:tier set:node set:only set:except set:balance
set:each:at_once,between,max_failed,max_unreachable,on_failure
results:ok results:failed results:untouched results:node results:iter results:fold results:roll_id
node:run:cwd,env,stdin,timeout,sudo,pty,check,read,stream,plan node:test node:read node:exists node:stat node:write:perms,owner
node:put node:get node:sync node:drained node:drain node:undrain node:wait:http,port,run,timeout,every
node:http:port,tls,host,method,body node:forward:to,listen node:shell
set:run:cwd,env,stdin,timeout,sudo,pty,check,read,stream,plan,at_once,max_failed set:sync set:put set:get set:test set:read set:write
sync.push:from,to,path,only,exclude,keep,delete,drift,layout,perms,verify,undo sync.stage:from,to,path staged:plan staged:switch staged:drop
sync.plan:from,to,path plan:print plan:node plan:apply sync.undo:to,path,roll,force sync.drift:to,path,from
svn.checkout:url,user,password,create checkout:update:rev checkout:revision checkout:clean checkout:status checkout:revert
checkout:cleanup checkout:commit:message,files checkout:changes:from,to checkout:files:from,to svn.log:from,to,limit,author,grep
changesets:authors changesets:tickets changesets:by changesets:grep changesets:only changesets:print
svn.merge:from,into merge:state merge:available merge:integrated merge:blocked merge:block merge:unblock merge:preview
merge:take:record_only,resolve merge:conflicts conflict:resolve conflict:edit merge:resolve merge:message merge:commit:message,lint
merge:abandon merge:rollback
lint.check:fail,rules,changes,from,to lint.rule:name,files,run,fn
notify.xmpp:jid,password,room,nick,server,tls,ca notify.webhook:url,format notify.mail:server,from,to notify.exec channel:send channel:rolled
trac.open:user,password tracker:changeset tracker:changesets tracker:ticket tracker:comment
haproxy.backend:on,socket,backend backend:drain:wait backend:ready backend:sessions backend:state
puppet.run:noop,environment mysql.copy:from,to,tables,skip,after_sql postgres.copy:from,to,tables,skip,after_sql
http.get:host,timeout,ca http.request:method,url,body http.ok
roll:name,from,to,path,rev,only,keep,exclude,delete,drift,at_once,max_failed,max_unreachable,lint,drain,before,after,check,announce,tracker,gate
roll.pending:name roll.status:name roll.history:name,limit roll.lock roll.unlock roll.close roll.resume roll.back roll.begin:name,to,plan
`

// fields are the fields that objects show.
const fields = `
node.name node.host node.user node.port node.tier node.tags node.vars checkout.path checkout.url checkout.root
changeset.rev changeset.author changeset.date changeset.message changeset.paths changeset.tickets changesets.revs plan.digest
`

func host(t *testing.T) *lua.Host {
	t.Helper()
	s := &nodes.Session{Events: nodes.Discard{}, Service: nodes.NewService(), Cache: t.TempDir(), State: t.TempDir(), Home: t.TempDir()}
	l := stdlib.New(s)
	t.Cleanup(l.Close)
	return lua.New(s, l.Modules)
}

func TestContractIsKept(t *testing.T) {
	h := host(t)
	globals := h.Globals()
	for _, entry := range strings.Fields(contract) {
		name, options := splitEntry(entry)
		record, ok := h.Record(name)
		if !ok {
			if _, isGlobal := globals[name]; !isGlobal {
				t.Errorf("%s is missing", name)
			}
			continue
		}
		_, known := record.Args()
		for _, want := range options {
			if !slices.ContainsFunc(known, func(a lua.Arg) bool { return a.Name == want }) {
				t.Errorf("%s has no option %s", name, want)
			}
		}
	}
	for _, entry := range strings.Fields(fields) {
		class, field, _ := strings.Cut(entry, ".")
		c := h.Class(strings.ToUpper(class[:1]) + class[1:])
		if c == nil || !slices.ContainsFunc(c.Fields, func(f lua.Field) bool { return f.Name == field }) {
			t.Errorf("%s is missing", entry)
		}
	}
}

// splitEntry takes "set:each:at_once,between" apart.
func splitEntry(entry string) (name string, options []string) {
	at := strings.LastIndex(entry, ":")
	if at < 0 || !strings.Contains(entry[at:], ",") && strings.Count(entry, ":") == 1 && !strings.Contains(entry, ".") && !strings.HasPrefix(entry, "ask") &&
		!strings.HasPrefix(entry, "choose") {
		return entry, nil
	}
	return entry[:at], strings.Split(entry[at+1:], ",")
}

// TestEveryRecordIsDocumented keeps help, types and reference whole.
func TestEveryRecordIsDocumented(t *testing.T) {
	h := host(t)
	check := func(prefix string, f lua.Func) {
		if f.Doc == "" || f.Example == "" || f.Returns == "" {
			t.Errorf("%s%s: doc %q, example %q, returns %q", prefix, f.Name, f.Doc, f.Example, f.Returns)
		}
		pos, options := f.Args()
		for _, a := range slices.Concat(pos, options) {
			if a.Doc == "" {
				t.Errorf("%s%s: '%s' has no doc", prefix, f.Name, a.Name)
			}
		}
	}
	for _, m := range h.Modules() {
		for _, f := range m.Funcs {
			check(m.Name+".", f)
		}
		if m.Name != "" && m.Doc == "" {
			t.Errorf("the module %s has no doc", m.Name)
		}
	}
	for _, name := range h.ClassNames() {
		for _, f := range h.Class(name).Funcs {
			check(name+":", f)
		}
	}
}
