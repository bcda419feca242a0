package roll

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/hex"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/rollsh/rollsh/nodes"
)

const (
	beat      = 5 * time.Second // how often a holder says that it lives
	staleBeat = time.Minute     // silent for longer: stale, wherever it runs
)

// Lock is what keeps others from rolling a name. A roll's lock ends with its
// roll; a person's stays until it is unlocked.
type Lock struct {
	Name   string    `lua:"name"`
	Person bool      `lua:"person"` // made by roll.lock: no process holds it
	Who    string    `lua:"who"`
	Host   string    `lua:"host"`
	Why    string    `lua:"why"`
	Roll   string    `lua:"roll"` // the roll that holds it; empty for a person's
	Since  time.Time `lua:"since"`
	PID    int       `lua:"pid"`
	Stale  bool      `lua:"stale"` // its holder is dead, or silent for a minute

	token   string
	process string
	beat    time.Time
	spent   bool // stale, and its roll is over: its holder died while people were told
}

const (
	kindRoll   = "roll"
	kindPerson = "person"
)

func (l Lock) kind() string {
	if l.Person {
		return kindPerson
	}
	return kindRoll
}

// staleSeenFrom judges a lock as the host sees it at a time.
func (l Lock) staleSeenFrom(host string, now time.Time) bool {
	if l.Person {
		return false
	}
	if l.Host == host && !processLives(l.PID, l.process) {
		return true
	}
	return now.Sub(l.beat) > staleBeat
}

// locked is the error for somebody who is kept out by l.
func (l Lock) locked(now time.Time) *nodes.Error {
	e := &nodes.Error{Kind: nodes.Locked}
	held := fmt.Sprintf("'%s' is locked by %s on %s since %s (%s): %s", l.Name, l.Who, l.Host,
		l.Since.Local().Format("2006-01-02 15:04:05"), ago(now.Sub(l.Since)), l.Why)
	switch {
	case l.Person:
		e.Message, e.Hint = held, fmt.Sprintf("ask %s; `rollsh unlock %s` frees it", l.Who, l.Name)
	case l.Stale:
		e.Message = held + fmt.Sprintf("; stale: process %d is gone or silent, last heard of %s ago", l.PID, ago(now.Sub(l.beat)))
		e.Hint = "look at `rollsh status`; --takeover=REASON takes the lock"
	default:
		e.Message, e.Hint = held+fmt.Sprintf(" (process %d, roll %s)", l.PID, l.Roll), "wait for it, or ask "+l.Who
	}
	return e
}

// ago writes a duration as a person says it.
func ago(d time.Duration) string {
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%d s", max(0, int(d.Seconds())))
	case d < 2*time.Hour:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h", int(d.Hours()))
	}
	return fmt.Sprintf("%d days", int(d.Hours()/24))
}

const longestName = 64

// goodName reports whether a name can be part of an id: letters, digits and
// inner ". _ -".
func goodName(name string) bool {
	for i, c := range []byte(name) {
		alnum := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		if !alnum && (i == 0 || c != '.' && c != '_' && c != '-') {
			return false
		}
	}
	return name != "" && len(name) <= longestName
}

func checkName(name string) error {
	if goodName(name) {
		return nil
	}
	return &nodes.Error{
		Kind: nodes.Usage, Message: fmt.Sprintf("'%.80s' is not a name of a roll", name),
		Hint: "letters, digits, '.', '_' and '-', at most 64, beginning with a letter or digit",
	}
}

func newToken() string {
	b := make([]byte, 16)
	_, _ = rand.Read(b) // never fails, see crypto/rand
	return hex.EncodeToString(b)
}

const lockColumns = `name, kind, token, who, host, why, roll, since, pid, process, heartbeat`

// locksOf reads the locks of a name, or all for an empty one, but for those that
// are spent, which keep nobody out.
func (j *Journal) locksOf(ctx context.Context, tx *sql.Tx, name string) ([]Lock, error) {
	list, err := j.allLocks(ctx, tx, name)
	return slices.DeleteFunc(list, func(l Lock) bool { return l.spent }), err
}

func (j *Journal) allLocks(ctx context.Context, tx *sql.Tx, name string) ([]Lock, error) {
	rows, err := tx.QueryContext(ctx, `SELECT `+lockColumns+`, COALESCE((SELECT state FROM rolls WHERE id = roll), '') FROM locks
		WHERE name = $1 OR $1 = '' ORDER BY name, kind`, name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }() // rows.Err tells
	var out []Lock
	now := time.Now()
	for rows.Next() {
		var l Lock
		var kind, since, heartbeat string
		var state Phase
		if err := rows.Scan(&l.Name, &kind, &l.token, &l.Who, &l.Host, &l.Why, &l.Roll, &since, &l.PID, &l.process, &heartbeat, &state); err != nil {
			return nil, err
		}
		l.Person, l.Since, l.beat = kind == kindPerson, unstamp(since), unstamp(heartbeat)
		l.Stale = l.staleSeenFrom(j.session.Host, now)
		l.spent = l.Stale && state != "" && state != Running
		out = append(out, l)
	}
	return out, rows.Err()
}

// Locks lists the locks that are held on a name, or all for an empty one.
func (j *Journal) Locks(ctx context.Context, name string) (out []Lock, err error) {
	err = j.read(ctx, func(tx *sql.Tx) error {
		out, err = j.locksOf(ctx, tx, name)
		return err
	})
	return out, err
}

// take puts l into the journal, or fails with Locked. A stale lock gives way
// to a reason, a spent one to anybody.
func (j *Journal) take(ctx context.Context, tx *sql.Tx, l Lock, takeover string) error {
	held, err := j.allLocks(ctx, tx, l.Name)
	if err != nil {
		return err
	}
	for _, h := range held {
		if h.spent {
			if err := j.release(ctx, tx, h); err != nil {
				return err
			}
			continue
		}
		if _, mine := j.mine.Load(h.token); mine && !l.Person {
			j.own(h) // a recipe, or a shell, that locks a name goes on to roll it
			continue
		}
		if !h.Stale || takeover == "" {
			return h.locked(time.Now())
		}
		l.Why = fmt.Sprintf("%s (taken over from %s on %s: %s)", l.Why, h.Who, h.Host, takeover)
		if err := j.release(ctx, tx, h); err != nil {
			return err
		}
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO locks (`+lockColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`,
		l.Name, l.kind(), l.token, l.Who, l.Host, l.Why, l.Roll, stamp(l.Since), l.PID, l.process, stamp(l.beat))
	return err
}

// own reminds of a lock that others are kept out by.
func (j *Journal) own(l Lock) {
	j.session.Events.Emit(nodes.Event{
		Time: time.Now(), Type: nodes.Warned, Op: "roll.begin",
		Text: fmt.Sprintf("you have locked '%s' since %s: %s; `rollsh unlock %s` frees it", l.Name, l.Since.Local().Format("2006-01-02 15:04"), l.Why, l.Name),
	})
}

// newLock is a lock of this process.
func (j *Journal) newLock(name, why, roll string) Lock {
	now := time.Now()
	return Lock{
		Name: name, Who: j.session.User, Host: j.session.Host, Why: why, Roll: roll, Since: now,
		PID: os.Getpid(), process: processStart(os.Getpid()), token: newToken(), beat: now,
	}
}

// Lock keeps everybody from rolling a name until Unlock, in this process or a
// later one; only the process that locked it still rolls. That goes for all who
// use its account too: many do. It fails with Locked while somebody holds it.
func (j *Journal) Lock(ctx context.Context, name, reason string) error {
	if err := checkName(name); err != nil {
		return err
	}
	if reason == "" {
		return &nodes.Error{Kind: nodes.Usage, Message: "a lock needs a reason", Hint: "others read it when they are kept out"}
	}
	l := j.newLock(name, reason, "")
	l.Person, l.PID, l.process = true, 0, ""
	err := j.write(ctx, func(tx *sql.Tx) error { return j.take(ctx, tx, l, "") })
	if err == nil {
		j.mine.Store(l.token, true)
	}
	return err
}

// Unlock frees a name that the caller has locked. What somebody else has
// locked, and what a dead roll has left, is freed only with a reason; what a
// living roll holds, never.
func (j *Journal) Unlock(ctx context.Context, name, takeover string) error {
	if err := checkName(name); err != nil {
		return err
	}
	return j.write(ctx, func(tx *sql.Tx) error {
		held, err := j.locksOf(ctx, tx, name)
		if err != nil {
			return err
		}
		if len(held) == 0 {
			return &nodes.Error{Kind: nodes.NotFound, Message: fmt.Sprintf("'%s' is not locked", name)}
		}
		return j.free(ctx, tx, held, takeover)
	})
}

func (j *Journal) free(ctx context.Context, tx *sql.Tx, held []Lock, takeover string) error {
	freed := 0
	var kept *Lock
	for i, l := range held {
		own := l.Person && l.Who == j.session.User
		if !own && (takeover == "" || !l.Person && !l.Stale) {
			kept = &held[i]
			continue
		}
		if err := j.release(ctx, tx, l); err != nil {
			return err
		}
		freed++
	}
	if freed > 0 || kept == nil {
		return nil
	}
	e := kept.locked(time.Now())
	if kept.Person || kept.Stale {
		e.Hint = "--takeover=REASON frees it"
	}
	return e
}

// heartbeat says until ctx ends that the holder of the token lives.
func (j *Journal) heartbeat(ctx context.Context, l Lock) {
	tick := time.NewTicker(beat)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		// A beat that fails is made up for by the next; a lock that is lost is
		// seen by the next step.
		_ = j.write(ctx, func(tx *sql.Tx) error {
			_, err := tx.ExecContext(ctx, `UPDATE locks SET heartbeat = $1 WHERE name = $2 AND token = $3`, stamp(time.Now()), l.Name, l.token)
			return err
		})
	}
}

// stillHeld fails with Locked when somebody has taken the lock over.
func (j *Journal) stillHeld(ctx context.Context, tx *sql.Tx, l Lock) error {
	var n int
	err := tx.QueryRowContext(ctx, `SELECT count(*) FROM locks WHERE name = $1 AND token = $2`, l.Name, l.token).Scan(&n)
	if err != nil || n == 1 {
		return err
	}
	held, err := j.locksOf(ctx, tx, l.Name)
	if err != nil {
		return err
	}
	for _, h := range held {
		if !h.Person {
			e := h.locked(time.Now())
			e.Message = "this roll's lock was taken over: " + e.Message
			return e
		}
	}
	return &nodes.Error{
		Kind: nodes.Locked, Message: fmt.Sprintf("this roll's lock on '%s' was taken away", l.Name),
		Hint: "see `rollsh status`; then `rollsh resume`",
	}
}

// release frees the lock; it is no error that it is lost already.
func (j *Journal) release(ctx context.Context, tx *sql.Tx, l Lock) error {
	_, err := tx.ExecContext(ctx, `DELETE FROM locks WHERE name = $1 AND token = $2`, l.Name, l.token)
	return err
}
