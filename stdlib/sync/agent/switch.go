//go:build linux

package agent

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sort"
	"strings"
	"time"

	"github.com/rollsh/rollsh/stdlib/sync/beneath"
	"github.com/rollsh/rollsh/stdlib/sync/manifest"
	"github.com/rollsh/rollsh/stdlib/sync/wire"
	"golang.org/x/sys/unix"
)

// checkRoll refuses ids that could be more than a name.
func checkRoll(roll string) error {
	if roll == "" || len(roll) > 100 || strings.ContainsFunc(roll, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-'
	}) {
		return failure("protocol", fmt.Sprintf("%q is not the id of a roll", roll))
	}
	return nil
}

// switchStage puts a stage in place. That it was done before is a success.
func (t *tree) switchStage(req *wire.Request) (*wire.Report, error) {
	if err := checkRoll(req.Roll); err != nil {
		return nil, err
	}
	now, err := t.markerAlone()
	if err != nil {
		return nil, err
	}
	if now.Roll == req.Roll {
		return &wire.Report{Marker: now}, nil
	}
	stage, j, err := t.openStage(req.Roll)
	if errors.Is(err, unix.ENOENT) {
		return nil, stageGone(req.Roll, now)
	} else if err != nil {
		return nil, err
	}
	defer unix.Close(stage)
	if err := t.enter(j.Layout()); err != nil {
		return nil, err
	}
	if err := t.moved(j, now); err != nil {
		return nil, err
	}
	if err := t.refresh(stage, j); err != nil {
		return nil, err
	}
	return t.commit(stage, j)
}

func (t *tree) openStage(roll string) (int, *wire.Journal, error) {
	stage, err := openSub(t.state, wire.StageName(roll))
	if err != nil {
		return -1, nil, err
	}
	j, err := t.readJournal(stage)
	if err != nil {
		_ = unix.Close(stage)
		return -1, nil, err
	}
	return stage, j, nil
}

// readJournal opens a journal, which is read along from its file for as long as the
// tree is open.
func (t *tree) readJournal(dir int) (*wire.Journal, error) {
	j, f, err := t.journalBy(dir, wire.OpenJournal)
	if err == nil {
		t.open = append(t.open, f)
	}
	return j, err
}

// journalHead reads a journal without what it says of single paths.
func (t *tree) journalHead(dir int) (*wire.Journal, error) {
	j, f, err := t.journalBy(dir, wire.ReadJournal)
	if err == nil {
		_ = f.Close()
	}
	return j, err
}

func (t *tree) journalBy(dir int, read func(io.ReaderAt, int64) (*wire.Journal, error)) (*wire.Journal, *os.File, error) {
	f, size, err := openFile(dir, "plan")
	if err != nil {
		return nil, nil, err
	}
	j, err := read(f, size)
	if err != nil {
		_ = f.Close()
		return nil, nil, failure("failed", "the journal in "+t.place+" is damaged: "+err.Error())
	}
	return j, f, nil
}

// moved fails with changed when the tree is not what the journal was made for.
func (t *tree) moved(j *wire.Journal, now *wire.Marker) error {
	if now.Seq != j.Seq || now.Digest != j.Base && !(now.Roll == "" && j.Base == "") {
		return lookAgain(now.MovedOn())
	}
	if (t.base < 0) != j.MakeRoot || j.Release != nil && t.current != j.Release.Before {
		return lookAgain(show(t.path) + " was made or removed since it was looked at")
	}
	return t.unreadable(j.Each(func(p *manifest.Pair) error {
		l, err := t.lstat(p.Path)
		switch {
		case p.From != nil && (err != nil || !p.From.Stands(&l)):
			return changedMeanwhile(p.Path)
		case p.From == nil && err == nil && j.Folds && !t.listed(p.Path): // the old name of what goes
		case p.From == nil && err == nil:
			return lookAgain(show(p.Path) + " appeared on the node since it was looked at")
		case p.From == nil && !errors.Is(err, unix.ENOENT):
			return cannot("look at", p.Path, err)
		}
		return nil
	}))
}

func changedMeanwhile(p string) error {
	return lookAgain(show(p) + " changed on the node since it was looked at")
}

func lookAgain(what string) error { return hinted("changed", what, "look again: plan, or push") }

// stageGone says why there is no stage of a roll any more: whoever rolls sweeps those
// that were made before. The ids of rolls begin with their time.
func stageGone(roll string, now *wire.Marker) error {
	if second := roll[:min(len("20060102-150405"), len(roll))]; now.Roll >= second || now.Undo >= second {
		return lookAgain(now.MovedOn())
	}
	return hinted("changed", "the stage "+roll+" is no longer on the node", "stage again")
}

// unreadable explains why a journal could not be read on, unless that was said.
func (t *tree) unreadable(err error) error { return cannot("read the journal in", t.place, err) }

// commit is the point of no return and what comes after it.
func (t *tree) commit(stage int, j *wire.Journal) (*wire.Report, error) {
	if j.MakeRoot {
		if err := t.makeRoot(j.Around); err != nil {
			return nil, err
		}
	}
	crash("commit")
	if err := writeAt(stage, "COMMIT", nil); err != nil {
		_ = unix.Unlinkat(stage, "COMMIT", 0)
		return nil, cannot("write", t.place, err)
	}
	crash("commit")
	start := time.Now()
	err := t.forward(stage, j)
	took := time.Since(start)
	if err != nil {
		return nil, t.rollBack(stage, j, err)
	}
	if err := t.finish(stage, j); err != nil {
		f := explain(err)
		f.Message += "; the files are switched, which is not noted yet"
		f.Hint = "mend the cause and push again: the switch is then finished first"
		return nil, &Error{Failure: f, cause: err}
	}
	now, err := t.markerAlone()
	if err != nil {
		return nil, err
	}
	return &wire.Report{Marker: now, Burst: took, Bytes: j.Bytes, Files: j.Files}, nil
}

// makeRoot makes the folder at the tree's path, for the owner given in numbers.
func (t *tree) makeRoot(owner string) error {
	made := os.Mkdir(t.path, 0o755)
	if made != nil && !errors.Is(made, unix.EEXIST) {
		return cannot("make the folder", t.path, made)
	}
	fd, err := unix.Open(t.path, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC|unix.O_NOFOLLOW, 0)
	if err != nil {
		return cannot("open", t.path, err)
	}
	t.base = fd
	if !t.releases {
		t.root = fd
	}
	if made != nil {
		return nil
	}
	return cannot("set the owner of", t.path, giveFolder(fd, owner))
}

// rollBack undoes a burst that could not be finished, and says so.
func (t *tree) rollBack(stage int, j *wire.Journal, cause error) error {
	f := explain(cause)
	if err := writeAt(stage, "ROLLBACK", nil); err == nil || noRoom(err) {
		if err := t.backward(stage, j); err == nil {
			_ = t.syncTouched(j) // the tree is as it was, whatever of it is on the disk
			t.discard(wire.StageName(j.Roll))
			f.Message += "; the tree was put back as it was"
			return &Error{Failure: f, cause: cause}
		}
	}
	f.Message += "; some files are switched and some are not"
	f.Hint = "mend the cause and push again: the switch is then finished or undone first"
	return &Error{Failure: f, cause: cause}
}

// finish makes the burst last: folders to the disk, then the marker, then the
// stage becomes the undo.
func (t *tree) finish(stage int, j *wire.Journal) error {
	if err := t.syncTouched(j); err != nil {
		return err
	}
	crash("finish")
	if err := unix.Renameat(stage, "marker", t.state, "marker"); err != nil && !errors.Is(err, unix.ENOENT) {
		return cannot("write", t.place+"/marker", err)
	}
	crash("finish")
	if err := unix.Fsync(t.state); err != nil {
		return cannot("write", t.place, err)
	}
	crash("finish")
	if j.Undoes != "" {
		t.noteIdle(wire.RollOf(j.Undoes)) // no trace of it is left: to undo it again is nothing to do
	}
	if j.Undoes != "" || j.Keep <= 0 {
		t.discard(wire.StageName(j.Roll))
		t.discard(j.Undoes)
	} else {
		t.keepUndo(stage, j)
	}
	crash("finish")
	t.forgetUndos(j.Keep)
	if j.Release != nil {
		t.sweepReleases(j.Release.Before, j.Release.After)
	}
	t.sweepStale(j.Seq + 1)
	return nil
}

// keepUndo turns the stage into the undo of its roll. Nothing that fails here
// makes the switch less done.
func (t *tree) keepUndo(stage int, j *wire.Journal) {
	_ = removeAll(stage, "s")
	name := wire.UndoName(j.Seq+1, j.Roll)
	if unix.Renameat(t.state, wire.StageName(j.Roll), t.state, name) != nil {
		return
	}
	_ = unix.Unlinkat(stage, "COMMIT", 0)
	_ = unix.Fsync(t.state)
}

// undos lists the undo folders, oldest first.
func (t *tree) undos() []string {
	names, _ := listDir(t.state)
	var out []string
	for _, n := range names {
		if strings.HasPrefix(n, "undo-") && has(t.state, n+"/plan") {
			out = append(out, n)
		}
	}
	sort.Strings(out)
	return out
}

// undoAge is how long an undo is kept that is not the last one.
const undoAge = 90 * 24 * time.Hour

// forgetUndos removes the oldest undos, all but keep of them, and others that
// are older than undoAge.
func (t *tree) forgetUndos(keep int) {
	old := t.undos()
	for i, name := range old {
		aged := i < len(old)-1 && t.age(name) > undoAge
		if i < len(old)-max(keep, 0) || aged {
			t.discard(name)
		}
	}
}

// age tells how long ago something was last put into a folder of the state.
func (t *tree) age(name string) time.Duration {
	var st unix.Stat_t
	if unix.Fstatat(t.state, name, &st, unix.AT_SYMLINK_NOFOLLOW) != nil {
		return 0
	}
	return time.Since(time.Unix(st.Mtim.Unix()))
}

// discard removes a folder of the state; it is out of the way at once.
func (t *tree) discard(name string) {
	if name == "" {
		return
	}
	trash := "trash-" + name
	switch err := unix.Renameat(t.state, name, t.state, trash); {
	case err == nil:
		_ = unix.Fsync(t.state)
		crash("discard")
	case noRoom(err): // where nothing is overwritten in place (btrfs, ZFS) it takes room to rename, none to remove
		t.spoil(name)
		trash = name
	}
	_ = removeAll(t.state, trash)
}

// spoil makes a stage or an undo one that is not whole, so that it may be
// removed where it is.
func (t *tree) spoil(name string) {
	dir, err := openSub(t.state, name)
	if err != nil {
		return
	}
	defer unix.Close(dir)
	_ = unix.Unlinkat(dir, "plan", 0)
	_ = unix.Fsync(dir)
}

// syncTouched brings the folders that the burst changed to the disk.
func (t *tree) syncTouched(j *wire.Journal) error {
	if j.Release != nil {
		return t.syncRoot()
	}
	const most = 300
	seen := map[string]bool{}
	s := j.Read()
	for p := s.Next(); p != nil && len(seen) <= most; p = s.Next() {
		d, _ := beneath.Split(p.Path)
		seen[d] = true
	}
	if s.Err() != nil || len(seen) > most {
		return cannot("write to", t.path, unix.Syncfs(t.root))
	}
	for d := range seen {
		fd, err := t.dir(d)
		if err != nil {
			continue // went in the burst
		}
		if err := unix.Fsync(fd); err != nil && !errors.Is(err, unix.EINVAL) {
			return cannot("write to", d, err)
		}
	}
	return nil
}

// drop throws a stage away.
func (t *tree) drop(req *wire.Request) (*wire.Report, error) {
	if err := checkRoll(req.Roll); err != nil {
		return nil, err
	}
	t.discard(wire.StageName(req.Roll))
	return &wire.Report{}, nil
}
