package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	typedNodes = 2000
	typedRuns  = 15
	manyTasks  = 10000
)

// typed measures the shell as a person feels it, in a project of 2,000 nodes:
// start to prompt beside that of python3, Tab, and Enter to the next prompt;
// then 10,000 tasks at once.
func typed(ctx context.Context, b *bench) error {
	dir := filepath.Join(b.dir, "typed")
	nodes := fmt.Sprintf("web[0001-%d]\n", typedNodes)
	tasks := fmt.Sprintf("local list = {}\nfor i = 1, %d do list[i] = { name = \"n\" .. i } end\n"+
		"nodes.new(list):each({ at_once = \"all\" }, function() sleep(1) end)\n", manyTasks)
	p := &bed{rollsh: b.rollsh, project: dir}
	for name, text := range map[string]string{"nodes/prod": nodes, "recipes/tasks.lua": tasks} {
		if err := p.write(name, text); err != nil {
			return err
		}
	}
	ours, tab, enter, err := typedRollsh(ctx, b.rollsh, dir)
	if err != nil {
		return err
	}
	figures := []figure{ours}
	if has("python3") {
		theirs, err := untilPrompt(ctx, "python3", dir, ">>> ", "python3", "-q")
		if err != nil {
			return err
		}
		figures = append(figures, theirs)
	}
	table(fmt.Sprintf("Start to prompt, with %d nodes; median of %d", typedNodes, typedRuns), figures)
	table("Tab after nodes(\"prod\"):only(\"web19, and Enter to the next prompt", []figure{tab, enter})
	many, err := repeat(ctx, "rollsh tasks.lua", b.runs, func() *exec.Cmd {
		cmd := exec.Command(b.rollsh, "recipes/tasks.lua")
		cmd.Dir, cmd.Env = dir, append(os.Environ(), "HOME="+dir)
		return cmd
	})
	if err != nil {
		return err
	}
	table(fmt.Sprintf("%d tasks that sleep for a second, at once", manyTasks), []figure{many})
	fmt.Printf("  memory: %.1f MB\n", megabytes(many.peak()))
	return nil
}

// typedRollsh types at rollsh, once for each run.
func typedRollsh(ctx context.Context, program, dir string) (prompt, tab, enter figure, err error) {
	prompt, tab, enter = figure{name: "rollsh"}, figure{name: "Tab"}, figure{name: "Enter to prompt"}
	for range typedRuns {
		began := time.Now()
		c, err := openConsole(ctx, dir, program)
		if err != nil {
			return prompt, tab, enter, err
		}
		steps := []struct {
			keys, sees string
			into       *figure
		}{
			{"", `prod.*> `, &prompt},
			{`nodes("prod"):only("web19`, `web19`, nil},
			{"\t", `web1999`, &tab},
			{"\x15", `> `, nil},
			{"6 * 7\r", `\n42\r\n[^\n]*> `, &enter},
		}
		for _, s := range steps {
			if s.keys != "" {
				select {
				case <-time.After(100 * time.Millisecond): // a person's pace: the shell is at rest
				case <-ctx.Done():
				}
				began = time.Now()
			}
			if err = c.until(s.keys, s.sees); err != nil {
				break
			}
			if s.into != nil {
				s.into.runs = append(s.into.runs, sample{wall: time.Since(began)})
			}
		}
		c.close()
		if err != nil {
			return prompt, tab, enter, err
		}
	}
	return prompt, tab, enter, nil
}

// untilPrompt times a program's start until its prompt.
func untilPrompt(ctx context.Context, name, dir, prompt string, argv ...string) (figure, error) {
	f := figure{name: name}
	for range typedRuns {
		began := time.Now()
		c, err := openConsole(ctx, dir, argv...)
		if err != nil {
			return f, err
		}
		err = c.until("", regexp.QuoteMeta(prompt))
		f.runs = append(f.runs, sample{wall: time.Since(began)})
		c.close()
		if err != nil {
			return f, err
		}
	}
	return f, nil
}

// console is a program in a terminal of its own.
type console struct {
	far  *os.File
	cmd  *exec.Cmd
	seen strings.Builder // since the last step
}

func openConsole(ctx context.Context, dir string, argv ...string) (*console, error) {
	far, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, err
	}
	fd := int(far.Fd())
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		return nil, err
	}
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		return nil, err
	}
	if err := unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: 30, Col: 120}); err != nil {
		return nil, err
	}
	near, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, err
	}
	defer near.Close()
	c := &console{far: far, cmd: exec.CommandContext(ctx, argv[0], argv[1:]...)}
	c.cmd.Dir, c.cmd.Stdin, c.cmd.Stdout, c.cmd.Stderr = dir, near, near, near
	c.cmd.Env = append(os.Environ(), "HOME="+dir, "TERM=xterm")
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	return c, c.cmd.Start()
}

// until types keys and reads until the pattern is seen.
func (c *console) until(keys, pattern string) error {
	c.seen.Reset()
	if _, err := c.far.WriteString(keys); err != nil {
		return err
	}
	want, buf := regexp.MustCompile(pattern), make([]byte, 1<<16)
	timeout := time.AfterFunc(20*time.Second, func() { _ = c.cmd.Process.Kill() })
	defer timeout.Stop()
	for !want.MatchString(c.seen.String()) {
		n, err := c.far.Read(buf)
		if err != nil {
			return fmt.Errorf("%s: %w, waiting for %s\n%s", c.cmd.Path, err, pattern, tail(c.seen.String()))
		}
		c.seen.Write(buf[:n])
	}
	return nil
}

func (c *console) close() {
	_ = c.cmd.Process.Kill() // it may have ended
	_ = c.cmd.Wait()
	c.far.Close()
}
