package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// measure runs a program to its end and takes its times. It must succeed.
func measure(ctx context.Context, cmd *exec.Cmd) (sample, error) {
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	began := time.Now()
	if err := runUntil(ctx, cmd); err != nil {
		return sample{}, fmt.Errorf("%s: %w\n%s", strings.Join(cmd.Args, " "), err, tail(out.String()))
	}
	return sampleOf(cmd, time.Since(began)), nil
}

// repeat measures a program the given number of times.
func repeat(ctx context.Context, name string, runs int, command func() *exec.Cmd) (figure, error) {
	f := figure{name: name}
	for range runs {
		s, err := measure(ctx, command())
		if err != nil {
			return f, err
		}
		f.runs = append(f.runs, s)
	}
	return f, nil
}

// runUntil runs cmd to its end, or to that of ctx.
func runUntil(ctx context.Context, cmd *exec.Cmd) error {
	stop, err := start(ctx, cmd)
	if err != nil {
		return err
	}
	defer stop()
	return cmd.Wait()
}

// start starts cmd in a process group of its own. The group is killed when ctx
// ends and by stop.
func start(ctx context.Context, cmd *exec.Cmd) (stop func(), err error) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	kill := func() { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	detach := context.AfterFunc(ctx, kill)
	return func() {
		if detach() {
			kill()
		}
	}, nil
}

func sampleOf(cmd *exec.Cmd, wall time.Duration) sample {
	s := sample{wall: wall, cpu: cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()}
	if usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		s.peak = usage.Maxrss * 1024 // Linux counts in kilobytes
	}
	return s
}

// marked runs a recipe that says "ready" and waits for the gate file, then says
// "begin" and "end" around what is to be timed, once for each run. It gives one
// sample a run; before, if any, is called ahead of each.
func marked(ctx context.Context, name string, cmd *exec.Cmd, gate string, runs int, before func() error) (figure, error) {
	f := figure{name: name}
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.StdoutPipe()
	if err != nil {
		return f, err
	}
	stop, err := start(ctx, cmd)
	if err != nil {
		return f, err
	}
	defer stop()
	lines := bufio.NewScanner(out)
	for range runs {
		s, err := between(cmd.Process.Pid, lines, gate, before)
		if err != nil {
			stop()
			return f, fmt.Errorf("%w: %w\n%s", err, cmd.Wait(), tail(said.String()))
		}
		f.runs = append(f.runs, s)
	}
	_, _ = io.Copy(io.Discard, out) // Wait must not close the pipe before its end was read
	return f, cmd.Wait()
}

// between waits for "ready", lets the recipe go on by making the gate file,
// and times what lies between "begin" and "end".
func between(pid int, lines *bufio.Scanner, gate string, before func() error) (sample, error) {
	if err := await(lines, "ready"); err != nil {
		return sample{}, err
	}
	if before != nil {
		if err := before(); err != nil {
			return sample{}, err
		}
	}
	if err := os.WriteFile(gate, nil, 0o644); err != nil {
		return sample{}, err
	}
	if err := await(lines, "begin"); err != nil {
		return sample{}, err
	}
	began, cpu := time.Now(), cpuOf(pid)
	err := await(lines, "end")
	return sample{wall: time.Since(began), cpu: cpuOf(pid) - cpu}, err
}

// cpuOf is the processor time of a process so far, without those that it
// started. Source: clock_getcpuclockid(3), the id of another process's clock.
func cpuOf(pid int) time.Duration {
	const whole = 2 // CPUCLOCK_SCHED, of all threads
	var ts unix.Timespec
	if unix.ClockGettime(int32(^pid<<3|whole), &ts) != nil {
		return 0
	}
	return time.Duration(ts.Nano())
}

func await(lines *bufio.Scanner, word string) error {
	for lines.Scan() {
		if lines.Text() == word {
			return nil
		}
	}
	return fmt.Errorf("the recipe ended before it said %q", word)
}

// tail is the last part of a text.
func tail(s string) string { return s[max(0, len(s)-2000):] }
