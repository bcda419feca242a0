package shell_test

import (
	"context"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rollsh/rollsh/nodes"
	"github.com/rollsh/rollsh/shell"
)

func TestAsk(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, keys, want string
		question         nodes.Question
	}{
		{"a line", "blue\n", "blue", nodes.Question{Text: "Colour"}},
		{"the default", "\n", "red", nodes.Question{Text: "Colour", Default: new("red")}},
		{"a secret, corrected", "hunter3\x7f2\r", "hunter2", nodes.Question{Text: "Password", Secret: true}},
		{"a secret, begun anew", "wrong\x15right\r", "right", nodes.Question{Text: "Password", Secret: true}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			p := newPTY(t)
			person := shell.NewPerson(p.near, p.near, false, nil)
			answer := make(chan string, 1)
			go func() {
				a, err := person.Ask(context.Background(), tc.question)
				if err != nil {
					a = "error: " + err.Error()
				}
				answer <- a
			}()
			eventually(t, "the prompt", func() bool { return strings.Contains(p.text(), tc.question.Text) && strings.HasSuffix(p.text(), ": ") })
			p.press(t, tc.keys)
			if got := <-answer; got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
			if tc.question.Secret && strings.Contains(p.text(), "ight") {
				t.Error("a secret is echoed")
			}
		})
	}
}

// TestQuestionsEndOnce: what ends in a question mark gets no colon after it.
func TestQuestionsEndOnce(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		question nodes.Question
		want     string
	}{
		{nodes.Question{Text: "Which one?"}, "Which one? "},
		{nodes.Question{Text: "Which one? "}, "Which one? "},
		{nodes.Question{Text: "Which one?:"}, "Which one? "},
		{nodes.Question{Text: "Which one?", Default: new("red")}, "Which one? [red]: "},
		{nodes.Question{Text: "Colour:"}, "Colour: "},
	} {
		p := newPTY(t)
		person := shell.NewPerson(p.near, p.near, false, nil)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() {
			_, err := person.Ask(ctx, tc.question)
			done <- err
		}()
		eventually(t, "the prompt", func() bool { return strings.HasSuffix(p.text(), " ") })
		if got := p.text(); !strings.HasSuffix(got, tc.want) || strings.Contains(got, "?:") {
			t.Errorf("%q: %q", tc.question.Text, got)
		}
		cancel()
		<-done
	}
}

func TestAskEndsWithItsContext(t *testing.T) {
	t.Parallel()
	for _, secret := range []bool{false, true} {
		p := newPTY(t)
		person := shell.NewPerson(p.near, p.near, false, nil)
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() {
			_, err := person.Ask(ctx, nodes.Question{Text: "Colour", Secret: secret})
			done <- err
		}()
		eventually(t, "the prompt", func() bool { return strings.Contains(p.text(), "Colour") })
		cancel()
		if err := <-done; nodes.KindOf(err) != nodes.Cancelled {
			t.Errorf("secret %v: %v", secret, err)
		}
	}
}

func TestCtrlCInASecretInterruptsTheRun(t *testing.T) {
	t.Parallel()
	p := newPTY(t)
	i := nodes.NewInterrupt()
	ctx, end := i.Begin(context.Background())
	defer end()
	person := shell.NewPerson(p.near, p.near, false, i)
	done := make(chan error, 1)
	go func() {
		_, err := person.Ask(ctx, nodes.Question{Text: "Password", Secret: true})
		done <- err
	}()
	eventually(t, "the prompt", func() bool { return strings.Contains(p.text(), "Password: ") })
	p.press(t, "\x03")
	if err := <-done; nodes.KindOf(err) != nodes.Cancelled {
		t.Errorf("error %v", err)
	}
	if i.Stage() != nodes.Cancelling {
		t.Errorf("stage %d", i.Stage())
	}
}

func TestFirstCtrlCEndsAQuestionOfARoll(t *testing.T) {
	t.Parallel()
	p := newPTY(t)
	i := nodes.NewInterrupt()
	ctx, end := i.Begin(context.Background())
	defer end()
	_, release := i.Hold()
	defer release()
	person := shell.NewPerson(p.near, p.near, false, i)
	done := make(chan error, 1)
	go func() {
		_, err := person.Confirm(ctx, "Go on?")
		done <- err
	}()
	eventually(t, "the prompt", func() bool { return strings.Contains(p.text(), "[y/N] ") })
	if stage := i.Hit("INT"); stage != nodes.Stopping {
		t.Errorf("stage %d", stage)
	}
	if err := <-done; nodes.KindOf(err) != nodes.Cancelled || shell.ExitCode(err) != 130 {
		t.Errorf("error %v", err)
	}
	if ctx.Err() != nil {
		t.Error("the roll is cancelled")
	}
}

// Several nodes may have a question for the person; after Ctrl-C at the first no
// other is shown.
func TestNoQuestionAfterCtrlC(t *testing.T) {
	t.Parallel()
	p := newPTY(t)
	i := nodes.NewInterrupt()
	ctx, end := i.Begin(context.Background())
	defer end()
	person := shell.NewPerson(p.near, p.near, false, i)
	i.Hit("INT")
	for _, ctx := range []context.Context{ctx, context.WithoutCancel(ctx)} {
		if _, err := person.Ask(ctx, nodes.Question{Text: "Colour"}); nodes.KindOf(err) != nodes.Cancelled {
			t.Errorf("ask: %v", err)
		}
		if _, err := person.Confirm(ctx, "Colour?"); nodes.KindOf(err) != nodes.Cancelled {
			t.Errorf("confirm: %v", err)
		}
	}
	_, _ = io.WriteString(p.near, "all of it")
	eventually(t, "the end", func() bool { return strings.Contains(p.text(), "all of it") })
	if strings.Contains(p.text(), "Colour") {
		t.Errorf("a question was shown: %q", p.text())
	}
}

func TestNobodyToAsk(t *testing.T) {
	t.Parallel()
	person := shell.NewPerson(nil, io.Discard, false, nil)
	_, err := person.Ask(context.Background(), nodes.Question{Text: "Password", Secret: true})
	if nodes.KindOf(err) != nodes.Refused || shell.ExitCode(err) != 4 || !strings.Contains(err.Error(), "no terminal") {
		t.Errorf("ask: %v", err)
	}
	if _, err = person.Confirm(context.Background(), "Roll?"); nodes.KindOf(err) != nodes.Refused {
		t.Errorf("confirm: %v", err)
	}
	if yes, err := shell.NewPerson(nil, io.Discard, true, nil).Confirm(context.Background(), "Roll?"); !yes || err != nil {
		t.Errorf("--yes: %v, %v", yes, err)
	}
}

func TestConfirmAndChoose(t *testing.T) {
	t.Parallel()
	p := newPTY(t)
	person := shell.NewPerson(p.near, p.near, false, nil)
	yes := make(chan bool, 1)
	go func() {
		y, _ := person.Confirm(context.Background(), "Roll r12?")
		yes <- y
	}()
	eventually(t, "the prompt", func() bool { return strings.Contains(p.text(), "[y/N] ") })
	p.press(t, "perhaps\n")
	eventually(t, "the second prompt", func() bool { return strings.Count(p.text(), "[y/N] ") == 2 })
	p.press(t, "Yes\n")
	if !<-yes {
		t.Error("yes is no")
	}
	picks := make(chan []int, 1)
	go func() {
		got, _ := person.Choose(context.Background(), "Which?", []string{"r1", "r2", "r3"}, true)
		picks <- got
	}()
	eventually(t, "the list", func() bool { return strings.Contains(p.text(), "  3  r3") && strings.HasSuffix(p.text(), "none: ") })
	p.press(t, "3,1\n")
	if d := cmp.Diff([]int{0, 2}, <-picks); d != "" {
		t.Errorf("picks (-want +got):\n%s", d)
	}
}

// What is shown with its revision may be picked by it.
func TestItemsArePickedByTheirFirstWord(t *testing.T) {
	t.Parallel()
	items := []string{"r7 alice: one", "r12 bob: two", "r14 bob: r7 again", "web-1 node"}
	for line, want := range map[string]string{
		"1,3-4": "1,3-4", "r12": "2", "r7, r14": "1,3", "r7-14": "1-3", "r7-r12 4": "1-2,4", "all": "all", "r9": "r9", "web-1": "4", "": "",
	} {
		if got := shell.Numbered(line, items); got != want {
			t.Errorf("%q is %q, not %q", line, got, want)
		}
	}
}

func TestParsePicks(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		line string
		many bool
		want []int
		bad  bool
	}{
		{"", true, nil, false},
		{"2", false, []int{1}, false},
		{"1,3-5", true, []int{0, 2, 3, 4}, false},
		{"all", true, []int{0, 1, 2, 3, 4}, false},
		{"5 1 5", true, []int{0, 4}, false},
		{"1,2", false, nil, true},
		{"6", true, nil, true},
		{"0", true, nil, true},
		{"3-2", true, nil, true},
		{"x", true, nil, true},
	} {
		got, err := shell.ParsePicks(tc.line, 5, tc.many)
		if d := cmp.Diff(tc.want, got); d != "" || (err != nil) != tc.bad {
			t.Errorf("%q: %v, %v", tc.line, got, err)
		}
	}
}
