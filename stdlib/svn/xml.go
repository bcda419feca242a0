package svn

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/rollsh/rollsh/nodes"
)

// commitXML is the last change of a node.
type commitXML struct {
	Revision int    `xml:"revision,attr"`
	Author   string `xml:"author"`
	Date     string `xml:"date"`
}

func (c commitXML) when() time.Time { return parseDate(c.Date) }

// statusXML is one entry of `svn status --xml`; words are svn's.
type statusXML struct {
	Path string `xml:"path,attr"`
	WC   struct {
		Item       string    `xml:"item,attr"`
		Props      string    `xml:"props,attr"`
		Revision   string    `xml:"revision,attr"`
		Locked     bool      `xml:"wc-locked,attr"`
		Copied     bool      `xml:"copied,attr"`
		Switched   bool      `xml:"switched,attr"`
		Tree       bool      `xml:"tree-conflicted,attr"`
		FileExtern bool      `xml:"file-external,attr"`
		MovedFrom  string    `xml:"moved-from,attr"`
		MovedTo    string    `xml:"moved-to,attr"`
		Commit     commitXML `xml:"commit"`
	} `xml:"wc-status"`
	Repos struct {
		Item  string `xml:"item,attr"`
		Props string `xml:"props,attr"`
	} `xml:"repos-status"`
}

// conflictVersion is one side of a conflict in the repository.
type conflictVersion struct {
	Side     string `xml:"side,attr"`
	Path     string `xml:"path-in-repos,attr"`
	URL      string `xml:"repos-url,attr"`
	Revision int    `xml:"revision,attr"`
	Kind     string `xml:"kind,attr"`
}

type treeConflictXML struct {
	Victim    string            `xml:"victim,attr"`
	Kind      string            `xml:"kind,attr"`
	Reason    string            `xml:"reason,attr"`
	Action    string            `xml:"action,attr"`
	Operation string            `xml:"operation,attr"`
	Versions  []conflictVersion `xml:"version"`
}

type conflictXML struct {
	Operation string            `xml:"operation,attr"`
	Type      string            `xml:"type,attr"`
	Versions  []conflictVersion `xml:"version"`
	BaseFile  string            `xml:"prev-base-file"`
	MineFile  string            `xml:"prev-wc-file"`
	TheirFile string            `xml:"cur-base-file"`
	PropFile  string            `xml:"prop-file"`
}

// infoXML is one entry of `svn info --xml`.
type infoXML struct {
	Kind     string `xml:"kind,attr"`
	Path     string `xml:"path,attr"`
	Revision string `xml:"revision,attr"`
	URL      string `xml:"url"`
	Relative string `xml:"relative-url"`
	Repo     struct {
		Root string `xml:"root"`
		UUID string `xml:"uuid"`
	} `xml:"repository"`
	WC struct {
		Root  string `xml:"wcroot-abspath"`
		Depth string `xml:"depth"`
	} `xml:"wc-info"`
	Commit    commitXML         `xml:"commit"`
	Conflicts []conflictXML     `xml:"conflict"`
	Trees     []treeConflictXML `xml:"tree-conflict"`
}

// summaryXML is one path of `svn diff --summarize --xml`.
type summaryXML struct {
	Item  string `xml:"item,attr"`
	Props string `xml:"props,attr"`
	Kind  string `xml:"kind,attr"`
	Path  string `xml:",chardata"`
}

// listXML is one entry of `svn list --xml`.
type listXML struct {
	Kind   string    `xml:"kind,attr"`
	Name   string    `xml:"name"`
	Commit commitXML `xml:"commit"`
}

type logXML struct {
	Revision int    `xml:"revision,attr"`
	Author   string `xml:"author"`
	Date     string `xml:"date"`
	Message  string `xml:"msg"`
	Paths    []struct {
		Path     string `xml:",chardata"`
		Action   string `xml:"action,attr"`
		Kind     string `xml:"kind,attr"`
		Text     string `xml:"text-mods,attr"`
		Props    string `xml:"prop-mods,attr"`
		CopyFrom string `xml:"copyfrom-path,attr"`
		CopyRev  int    `xml:"copyfrom-rev,attr"`
	} `xml:"paths>path"`
}

// propXML is one target of `svn propget --xml`.
type propXML struct {
	Path  string `xml:"path,attr"`
	Value string `xml:"property"`
}

// each reads an XML answer as it comes and calls fn with every element of that
// name. A document that ends early is an error: the answer is not whole.
func each[T any](element string, fn func(T) error) func(io.Reader) error {
	return func(r io.Reader) error {
		d := xml.NewDecoder(r)
		depth := 0
		for {
			tok, err := d.Token()
			if errors.Is(err, io.EOF) && depth == 0 {
				return nil
			}
			if err != nil {
				return notXML(err)
			}
			switch t := tok.(type) {
			case xml.EndElement:
				depth--
			case xml.StartElement:
				depth++
				if t.Name.Local != element {
					continue
				}
				var v T
				if err := d.DecodeElement(&v, &t); err != nil {
					return notXML(err)
				}
				depth--
				if err := fn(v); err != nil {
					return err
				}
			}
		}
	}
}

// collect reads all elements of a name into list.
func collect[T any](element string, list *[]T) func(io.Reader) error {
	return each(element, func(v T) error { *list = append(*list, v); return nil })
}

func notXML(err error) error {
	return &nodes.Error{Kind: nodes.Protocol, Message: fmt.Sprintf("svn's answer cannot be read: %v", err), Cause: err}
}

// parseDate reads svn's dates; the zero time for none.
func parseDate(s string) time.Time {
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		return time.Time{}
	}
	return t.UTC()
}

func (l logXML) commit() commit {
	c := commit{Rev: l.Revision, Author: l.Author, Date: parseDate(l.Date), Message: l.Message}
	for _, p := range l.Paths {
		c.Paths = append(c.Paths, touch{
			Path: p.Path, Action: p.Action, Kind: p.Kind, Text: p.Text != "false",
			Props: p.Props == "true", From: p.CopyFrom, FromRev: p.CopyRev,
		})
	}
	return c
}

// commit is a changeset with what merging needs to know of its paths.
type commit struct {
	Rev     int
	Author  string
	Date    time.Time
	Message string
	Paths   []touch
}

// touch is a path that a commit touched.
type touch struct {
	Path    string // in the repository, with a leading slash, not encoded
	Action  string // A M D R
	Kind    string // file, dir, or empty where the server does not tell
	Text    bool   // its contents changed, or may have
	Props   bool   // its properties changed
	From    string // copied from
	FromRev int
}

func (c commit) changeset() nodes.Changeset {
	out := nodes.Changeset{Rev: c.Rev, Author: c.Author, Date: c.Date.Truncate(time.Second), Message: c.Message}
	for _, p := range c.Paths {
		out.Paths = append(out.Paths, nodes.ChangedPath{Path: p.Path, Action: p.Action})
	}
	return out
}

func changesets(commits []commit) nodes.Changesets {
	out := make(nodes.Changesets, len(commits))
	for i, c := range commits {
		out[i] = c.changeset()
	}
	return out
}

// number reads a revision number; -1 for none.
func number(s string) int {
	n, err := strconv.Atoi(strings.TrimSpace(s))
	if err != nil {
		return -1
	}
	return n
}
