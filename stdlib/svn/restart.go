package svn

import (
	"context"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"time"
)

// resume goes on with the last operation.
func (w *work) resume(ctx context.Context) error {
	o := w.j.last()
	if o == nil || o.Step == running {
		return w.restart(ctx, "a merge was broken off in "+w.m.Into.Path+" and begins anew from r"+strconv.Itoa(w.j.Base))
	}
	left, err := w.m.Into.leftConflicts(ctx)
	if err != nil || len(left) > 0 {
		return err
	}
	if o.Step == conflicted {
		if err := w.goOn(ctx, o); err != nil {
			return err
		}
	}
	return w.drain(ctx)
}

// goOnOrStay goes on with the last operation, or sees that what is merged is still
// there.
func (w *work) goOnOrStay(ctx context.Context) error {
	if w.j.step() == complete {
		return w.still(ctx)
	}
	return w.resume(ctx)
}

// goOn ends an operation whose conflicts are resolved, or lets svn do its rest.
func (w *work) goOn(ctx context.Context, o *operation) error {
	if err := w.keepSolutions(); err != nil {
		return err
	}
	if !o.More {
		entries, err := w.m.Into.entries(ctx)
		if err == nil {
			err = w.noteAdded(ctx, entries)
		}
		if err != nil {
			return err
		}
		return w.finish(ctx)
	}
	o.Step = running
	if err := w.m.Into.writeJournal(w.j); err != nil {
		return err
	}
	return w.perform(ctx)
}

// drain does what waits in the queue, until conflicts wait.
func (w *work) drain(ctx context.Context) error {
	for len(w.j.Queue) > 0 && (w.j.last() == nil || w.j.last().Step == complete) {
		o := w.j.Queue[0]
		o.Step, o.More = running, false
		w.j.Operations, w.j.Queue = append(w.j.Operations, o), w.j.Queue[1:]
		if err := w.m.Into.writeJournal(w.j); err != nil {
			return err
		}
		if err := w.perform(ctx); err != nil {
			return err
		}
	}
	return nil
}

// restart begins a merge anew in which svn was killed: half of a revision may be
// in the files. What people resolved is put in again; what they changed besides
// is kept in a patch. why is what the person is told.
func (w *work) restart(ctx context.Context, why string) error {
	c := w.m.Into
	patch, err := w.savePatch(ctx)
	if err != nil {
		return err
	}
	if err := w.keepResolved(ctx); err != nil {
		return err
	}
	if err := w.takeBack(ctx); err != nil {
		return err
	}
	if patch != "" {
		why += "; the files as they were are in " + patch
	}
	c.svn.warn(ctx, why)
	w.j.Queue = slices.Concat(w.j.Operations, w.j.Queue)
	w.j.Operations, w.j.Open = nil, nil
	if err := c.writeJournal(w.j); err != nil {
		return err
	}
	return w.drain(ctx)
}

// savePatch keeps the local changes as a patch below .svn; empty for none.
func (w *work) savePatch(ctx context.Context) (string, error) {
	c := w.m.Into
	dir := c.savedFolder()
	if err := os.MkdirAll(dir, 0o775); err != nil {
		return "", diskError(err)
	}
	name := filepath.Join(dir, "..", "rollsh-merge-"+time.Now().UTC().Format("20060102T150405.000")+".patch")
	f, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o664)
	if err != nil {
		return "", diskError(err)
	}
	k := c.here("diff", "--internal-diff", ".")
	k.locals, k.inherit = true, w.lock
	k.read = copyInto(f)
	a, err := c.mutate(ctx, w.lock, k)
	fi, statErr := f.Stat()
	err = firstError(err, a.err(), statErr, f.Close())
	if err != nil || fi.Size() == 0 {
		return "", firstError(err, os.Remove(name))
	}
	return filepath.Clean(name), nil
}

// removeOurs removes a file, or a folder in which nothing is left; a folder with
// files of others stays.
func removeOurs(name string) error {
	err := os.Remove(name)
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ENOTEMPTY) || errors.Is(err, syscall.EEXIST) {
		return nil
	}
	return diskError(err)
}

// takeBack reverts what the merge changed and removes what it added. Files of
// others are not touched.
func (w *work) takeBack(ctx context.Context) error {
	c := w.m.Into
	if _, err := c.mutate(ctx, w.lock, call{args: []string{"cleanup", "."}, dir: c.wcRoot, locals: true}); err != nil {
		return err
	}
	entries, err := c.entries(ctx)
	if err != nil {
		return err
	}
	if err := w.noteAdded(ctx, entries); err != nil {
		return err
	}
	artefacts, err := w.artefacts(ctx, entries)
	if err != nil {
		return err
	}
	if err := c.revert(ctx, w.lock); err != nil {
		return err
	}
	list, err := c.Status(ctx)
	if err != nil {
		return err
	}
	loose := map[string]bool{}
	for _, s := range list {
		loose[s.Path] = s.Item == "unversioned"
	}
	for _, rel := range w.j.Added {
		artefacts[rel] = true
	}
	for _, rel := range slices.Backward(slices.Sorted(maps.Keys(artefacts))) {
		if (loose[rel] || anyAbove(rel, loose)) && !slices.Contains(w.j.Before, rel) {
			if err := removeOurs(filepath.Join(c.Path, rel)); err != nil {
				return err
			}
		}
	}
	return nil
}
