package shell

// topics are the help pages that are no records.
var topics = map[string]string{
	"exit-codes": `Exit codes of rollsh

  0      done
  1      a local step or the recipe failed
  2      usage; a bad nodes file; a recipe that does not parse, or that
         check refuses
  3      nodes failed
  4      refused: locked, lint, conflict, policy, changed, refused
  128+n  ended by signal n (130: Ctrl-C)`,
	"arguments": `Arguments of a recipe

  local a = args{
    {"rev", "revision to roll", default="HEAD"},   -- rollsh recipes/x.lua r12
    {"files", "only these", list=true},            -- all words that are left
    node  = {"only this node", type="node"},       -- --node=web1
    count = {"how often", type="integer", default=1},
    gates = {"wait at gates", type="boolean", default=true},  -- --no-gates
    mode  = {"what", choices={"all", "ours"}, required=true},
    fast  = {"skip gates", flag=true},             -- --fast
  }

  type     string (else), number, integer; boolean: --key, --no-key, --key=yes
           file, folder: one that is there, seen from where rollsh was called;
           path: whether it is there or not. All three are made absolute
           node: a Node by its name; nodes: a Set by its nodes file
  list     a table of values: words that are left, --key a --key b, --key=a,b
  choices  the values that are allowed;  required, default, flag: as above

The table is read without running the recipe: by --help, Tab, check.`,
	"nodes-files": `Nodes files: nodes/NAME, read by nodes "NAME"

  # The order of this file is the order of the roll.
  user=deploy  path=/srv/www                   # holds for all of the file
  [cdn] at_once=all  check='test -s ~/ok'      # a tier, and what holds in it
  cdn[1-2]  192.0.2.[11-12]                    # NAME [ADDRESS] [key=value ...]
  [app] drain='touch ~/out'  undrain='rm ~/out'
  web1  10.0.0.21:2222  tags=php,new  x-rack=7
  include office                               # takes nodes/office in

  host, port, user, key, jump, proxy
           as in ssh_config, which holds where they are not given
  path     absolute: where the tree is, for rolls and pushes
  at_once  of a tier: how many nodes at once: 2, 50%, all, or 1,4,50%
  tags     words with commas between; set:only "#php" are nodes with one
  drain, undrain, check
           commands on the node; "local: CMD" runs on this machine. A check
           fails the node with any exit code but 0
  x-NAME   your own: node.vars.NAME

  What a node says wins over its tier, and that over the file; key= with no
  value takes a default away. Ranges ([1-3], [01-12,20]) stand in names and, in
  step, in addresses. A value with blanks wants quotes. rollsh check tells all
  mistakes at once.`,
	"lua": `Lua here is 5.1 with goto

  base, string, table, math, coroutine as https://www.lua.org/manual/5.1 tells;
  os.time, os.date, os.clock. No io, no os.execute, no debug, no loadfile: files
  and commands are here:read, here:write, sh.

  Where it differs from Lua 5.1: what is raised is a table (help "errors");
  %s takes any value; upper and lower know letters beyond ASCII; __len is
  called for tables; the length of a list with holes may be another of its
  ends; there is no os.getenv (env), table.foreach, string.dump. Numbers are
  written with 14 digits as there (0.3, 1e+15); json.encode writes all digits.

  In recipes a global is neither made nor read undefined: write local. At the
  prompt globals stay, and so does a local of the outermost level.`,
	"events": `--json writes one record a line; names and meanings do not change

  time    when, RFC 3339 with nanoseconds, UTC
  type    started output progress finished said warned planned state;
          printed: print() or a value, in text; error: how the run failed;
          finding: of check; asked: a question, with its answer
  id      joins started, output, progress and finished of one operation on
          one node
  op      sync.push, node:run
  node    name of the node; absent: this machine
  where   recipes/prod.lua:14
  text    what is run, said, put out or printed
  stream  of output: stdout or stderr
  done    of progress: so far, in unit (bytes or files); total: the whole
  state   of state: staged, drained, ...
  lines   of planned: what would be done in full, such as "+ index.html"
  error   of finished and error: kind message where op node code signal hint,
          and errors, a list of the same for several nodes
  answer  of asked: yes, no or a text; [secret] for a secret
  by      of asked: terminal, --yes, or no terminal: the default was taken
  file line column hint warning
          of finding, with its text

  Fields that are empty are left out. rollsh replay FILE draws them again.`,
	"prompt": `At the prompt, in the first column

  @web1 COMMAND       run on a node; @web[1-4] on several, @prod on nodes/prod
  @@app COMMAND       run on a tier
  !COMMAND            run on this machine
  ?NAME               help
  :edit               open the last chunk in $EDITOR, and run it
  :save FILE.lua      write what was typed in this session as a recipe
  exit                leave; refused while nodes are drained, exit! forces

Output of nodes is marked: "web1 | text" is its standard output, "web1 ! text"
its standard error, "web1 > text" is what rollsh says of it.

_ is the last value. A line that begins with a space is not remembered, nor is
one that seems to hold a secret.

Keys, beside those of readline

  Tab                 complete, or list what may follow
  Enter               run, when the chunk is whole; else a line more
  Alt-Enter           a line more in any case
  Up, Down            between the lines of a chunk, then through the history:
                      chunks that begin with what was typed
  Ctrl-R              search the history
  Ctrl-C              throw the line away; while something runs: cancel it`,
	"policy": `--policy=FILE: rollsh does only what a file of root allows

  # What is not named is not done.
  recipe /srv/staging/recipes/*.lua       # absolute paths; ** is any folders
  shell                                   # the prompt, -e, -c LINE
  call   svn.checkout merge:* lint.check  # names as the audit has them
  node   deploy@app*.example 10.0.3.0/24 [2001:db8::7]:2222

  recipe  may be run and planned, also by resume and back. Neither it, nor
          what it requires, nor nodes files may be the user's to write
  shell   Lua may be typed
  call    functions that may change something, run a command or open a port;
          others are free. What a set does is set:run, not node:run. roll
          stands for all it is made of. editor: programs on the terminal, as
          for a conflict; save: :save
  node    [USER@]HOST[:PORT], as it is dialed after ssh_config, jump hosts
          too; http, trac, webhooks, mail and chat as well. A pattern without
          letters is for addresses alone. No ProxyCommand is run

The commands that are left are help, plan, pending, status, history, resume,
back, close, lock and unlock; the last five are calls, such as roll.back.

FILE and each folder above it must be root's and writable for nobody else. What
is denied is of kind policy, exit code 4, and in the audit where there is one.`,
	"errors": `Errors are tables; tostring gives the whole line

  kind      usage unreachable auth hostkey exit timeout lost cancelled conflict
            lint locked notfound permission space changed refused policy
            protocol failed tasks internal
  message where node op code signal stdout stderr hint cause
  errors    for kind tasks: a list, each with its node

  local ok, err = pcall(function() node("web1"):run "false" end)
  if not ok and err.kind == "exit" then say(err.code) end`,
}
