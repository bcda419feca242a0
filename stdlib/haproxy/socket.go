package haproxy

import (
	"bytes"
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/rollsh/rollsh/nodes"
)

// way is a program of a balancer that talks to a socket: words, without the
// socket's path.
type way func(socket nodes.RemotePath) []string

const pythonWay = `import socket,sys
s=socket.socket(socket.AF_UNIX);s.settimeout(20);s.connect(sys.argv[1]);s.sendall(sys.stdin.buffer.read())
while True:
 d=s.recv(65536)
 if not d:break
 sys.stdout.buffer.write(d)`

const perlWay = `use IO::Socket::UNIX; my $s=IO::Socket::UNIX->new(Type=>SOCK_STREAM,Peer=>$ARGV[0]) or die "$!\n";
alarm 20; local $/; print $s <STDIN>; $s->flush; print <$s>;`

// ways are tried in this order.
var ways = []struct {
	name string
	way  way
}{
	{"socat", func(s nodes.RemotePath) []string { return []string{"socat", "-t20", "-", "UNIX-CONNECT:" + string(s)} }},
	{"nc", func(s nodes.RemotePath) []string { return []string{"nc", "-w20", "-U", string(s)} }},
	{"python3", func(s nodes.RemotePath) []string { return []string{"python3", "-c", pythonWay, string(s)} }},
	{"perl", func(s nodes.RemotePath) []string { return []string{"perl", "-e", perlWay, string(s)} }},
}

// probe names the programs that are there; an nc that knows no sockets of this
// kind is left out.
const probe = `command -v socat >/dev/null && echo socat
command -v nc >/dev/null && nc -h 2>&1 | grep -q -e -U && echo nc
command -v python3 >/dev/null && echo python3
command -v perl >/dev/null && echo perl
true`

// answerLimit is how long HAProxy may take to answer.
const answerLimit = 25 * time.Second

// mostAnswer bounds what is read: a balancer with thousands of servers answers
// with some hundred kilobytes.
const mostAnswer = 16 << 20

// tell sends one line and gives the answer, which a refusal is too.
func (b *Backend) tell(ctx context.Context, lb *nodes.Node, line string) (string, error) {
	conn, err := b.dialer.Dial(ctx, lb)
	if err != nil {
		return "", err
	}
	talk, err := b.wayOf(ctx, lb, conn)
	if err != nil {
		return "", err
	}
	var out bounded
	res, err := conn.Run(ctx, nodes.Cmd{
		Argv: talk(b.cfg.Socket), Stdin: strings.NewReader(line + "\n"), Stdout: &out,
		Sudo: b.cfg.Sudo, Timeout: answerLimit, Quiet: true,
	})
	if err != nil {
		return "", err
	}
	if !res.OK() {
		return "", b.unreached(res)
	}
	if out.over {
		return "", &nodes.Error{Kind: nodes.Protocol, Code: "answer", Message: "haproxy's answer is longer than 16 MiB"}
	}
	return out.text.String(), nil
}

// wayOf asks a balancer once which programs it has.
func (b *Backend) wayOf(ctx context.Context, lb *nodes.Node, conn nodes.Conn) (way, error) {
	b.waysM.Lock()
	known := b.ways[lb.Name]
	b.waysM.Unlock()
	if known != nil {
		return known, nil
	}
	res, err := conn.Run(ctx, nodes.Cmd{Line: probe, Quiet: true, Timeout: answerLimit})
	if err != nil {
		return nil, err
	}
	have := strings.Fields(string(res.Stdout))
	for _, w := range ways {
		for _, name := range have {
			if name == w.name {
				b.waysM.Lock()
				b.ways[lb.Name] = w.way
				b.waysM.Unlock()
				return w.way, nil
			}
		}
	}
	return nil, &nodes.Error{
		Kind: nodes.NotFound, Message: "no program there can talk to haproxy's socket",
		Hint: "install socat, or one of nc (netcat-openbsd), python3, perl",
	}
}

// socatLog is what socat writes before what went wrong: time, process, call.
var socatLog = nodes.Pattern(`^\S+ \S+ socat\[\d+\] \w (?:\w+\(.*\): )?`)

// unreached says why the socket could not be used.
func (b *Backend) unreached(res nodes.Result) error {
	said := socatLog().ReplaceAllString(oneLine(string(res.Stderr)), "")
	e := &nodes.Error{
		Kind: nodes.Unreachable, Message: "cannot talk to haproxy at " + string(b.cfg.Socket) + ": " + said,
		Code: strconv.Itoa(res.Code), Signal: res.Signal, Hint: "is haproxy running, and is socket= right?",
	}
	if strings.Contains(said, "ermission denied") {
		e.Kind, e.Hint = nodes.Permission, `the login may not use the socket: add it to the socket's group, or give sudo="root"`
	}
	return e
}

// bounded keeps what is written up to mostAnswer.
type bounded struct {
	text bytes.Buffer
	over bool
}

func (b *bounded) Write(p []byte) (int, error) {
	if b.text.Len()+len(p) > mostAnswer {
		b.over = true
		return len(p), nil
	}
	return b.text.Write(p)
}
