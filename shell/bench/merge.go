package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// merging compares lists, previews and takes with svn itself, over svnserve: the
// whole of each command, with the start of the program.
func merging(ctx context.Context, b *bench) error {
	for _, program := range []string{"svn", "svnadmin", "svnserve"} {
		if !has(program) {
			return nil
		}
	}
	s, err := newSite(filepath.Join(b.dir, "merge"), b.files)
	if err != nil {
		return err
	}
	defer s.Close()
	title := fmt.Sprintf("Merging: %d files, %d revisions, %d picks, svnserve on loopback", b.files, mergeRevisions, mergePicks)
	for _, part := range []func(context.Context, *bench) ([]figure, error){s.lists, s.previews, s.takes} {
		figures, err := part(ctx, b)
		if err != nil {
			return err
		}
		table(fmt.Sprintf("%s, median of %d; ratio to the first line", title, len(figures[0].runs)), figures)
		title = "The same"
	}
	return nil
}

// rollsh runs a line of Lua in which m is the merge from trunk into production.
// Without warm there is no cache.
func (s *site) rollsh(b *bench, warm bool, line string) (*exec.Cmd, error) {
	home := filepath.Join(b.dir, "merge", "home")
	if !warm {
		if err := os.RemoveAll(home); err != nil {
			return nil, err
		}
	}
	if err := os.MkdirAll(home, 0o755); err != nil {
		return nil, err
	}
	cmd := exec.Command(b.rollsh, "--yes", "-e", fmt.Sprintf(`local m = svn.merge{ from = "^/trunk", into = svn.checkout %q } %s`, s.checkout, line))
	cmd.Dir, cmd.Env = home, []string{"HOME=" + home, "PATH=" + os.Getenv("PATH"), "LANG=C.UTF-8", "ROLLSH_STATE=" + home}
	return cmd, nil
}

// shell runs a line of the shell in the checkout.
func (s *site) shell(line string) *exec.Cmd {
	cmd := exec.Command("sh", "-c", line)
	cmd.Dir = s.checkout
	return cmd
}

// way is one way to do something, with what is done before and after each run
// without being timed.
type way struct {
	name          string
	command       func() (*exec.Cmd, error)
	before, after func() (*exec.Cmd, error)
}

// compare takes the figures of ways, one run of each in turn, so that a machine
// that is busy for a while is so for all.
func compare(ctx context.Context, runs int, ways []way) ([]figure, error) {
	figures := make([]figure, len(ways))
	for range runs {
		for i, w := range ways {
			figures[i].name = w.name
			for at, make := range []func() (*exec.Cmd, error){w.before, w.command, w.after} {
				if make == nil {
					continue
				}
				cmd, err := make()
				if err != nil {
					return nil, err
				}
				sample, err := measure(ctx, cmd)
				if err != nil {
					return nil, err
				}
				if at == 1 {
					figures[i].runs = append(figures[i].runs, sample)
				}
			}
		}
	}
	return figures, nil
}

func (s *site) lists(ctx context.Context, b *bench) ([]figure, error) {
	list := fmt.Sprintf("local n = #m:available() if n ~= %d then fail(n) end", mergeRevisions-mergeBase)
	return compare(ctx, 3*b.runs, []way{ // quick ones, so that it takes more to tell
		{name: "rollsh available, warm", command: s.ours(b, true, list), before: s.ours(b, true, list)},
		{name: "rollsh available, cold", command: s.ours(b, false, list)},
		{name: "svn mergeinfo --log", command: s.plainly(fmt.Sprintf("svn mergeinfo --show-revs eligible --log %[1]s/trunk %[1]s/production", s.URL))},
	})
}

const takenBack = "svn revert -q -R . && svn cleanup --remove-unversioned"

func (s *site) previews(ctx context.Context, b *bench) ([]figure, error) {
	preview := fmt.Sprintf("m:preview %q", strings.Join(s.picks, ","))
	return compare(ctx, b.runs, []way{
		{name: "rollsh preview, warm", command: s.ours(b, true, preview), before: s.ours(b, true, preview)},
		{name: "rollsh preview, cold", command: s.ours(b, false, preview)},
		{name: "svn merge and revert", command: s.plainly(s.merge(strings.Join(s.picks, ",")) + takenBack)},
		{name: "svn merge one by one, revert", command: s.plainly(s.oneByOne() + takenBack)},
	})
}

func (s *site) takes(ctx context.Context, b *bench) ([]figure, error) {
	return compare(ctx, b.runs, []way{
		{name: "rollsh take", command: s.ours(b, true, fmt.Sprintf("m:take %q", strings.Join(s.picks, ","))), after: s.ours(b, true, "m:abandon()")},
		{name: "svn merge one by one", command: s.plainly(s.oneByOne()), after: s.plainly(takenBack)},
	})
}

// merge is svn's merge of revisions that goes on at conflicts.
func (s *site) merge(revs string) string {
	return fmt.Sprintf("svn merge -q --non-interactive --accept theirs-conflict -c %s %s/trunk . && ", revs, s.URL)
}

func (s *site) oneByOne() string {
	var line strings.Builder
	for _, rev := range s.picks {
		line.WriteString(s.merge(rev))
	}
	return line.String()
}

func (s *site) plainly(line string) func() (*exec.Cmd, error) {
	return func() (*exec.Cmd, error) { return s.shell(strings.TrimSuffix(line, "&& ")), nil }
}

func (s *site) ours(b *bench, warm bool, line string) func() (*exec.Cmd, error) {
	return func() (*exec.Cmd, error) { return s.rollsh(b, warm, line) }
}
