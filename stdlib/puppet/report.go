package puppet

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"github.com/rollsh/rollsh/nodes"
)

// summary is last_run_summary.yaml. Resources is nil for a run that had no
// catalog.
type summary struct {
	Resources *struct {
		Changed         int `yaml:"changed"`
		Failed          int `yaml:"failed"`
		FailedToRestart int `yaml:"failed_to_restart"`
		OutOfSync       int `yaml:"out_of_sync"`
		Skipped         int `yaml:"skipped"`
		Total           int `yaml:"total"`
	} `yaml:"resources"`
	Events struct {
		Failure int `yaml:"failure"`
		Noop    int `yaml:"noop"`
	} `yaml:"events"`
	Time struct {
		LastRun int64 `yaml:"last_run"`
	} `yaml:"time"`
}

func parseSummary(text []byte) (summary, error) {
	var s summary
	if err := yaml.Unmarshal(text, &s); err != nil {
		return s, &nodes.Error{Kind: nodes.Protocol, Code: "summary", Message: "puppet's summary of its last run cannot be read: " + oneLine(err.Error()), Cause: err}
	}
	return s, nil
}

// outcome must have Resources.
func (s summary) outcome(took time.Duration) Outcome {
	r := s.Resources
	o := Outcome{Changed: r.Changed, Failed: r.Failed + r.FailedToRestart, Resources: r.Total, Skipped: r.Skipped, Elapsed: took}
	if o.Failed == 0 && s.Events.Failure > 0 {
		o.Failed = s.Events.Failure
	}
	if s.Events.Noop > 0 {
		o.Pending = max(r.OutOfSync-r.Changed-r.Failed, 0)
	}
	return o
}

// reportFile is last_run_report.yaml, as far as it matters here.
type reportFile struct {
	Logs []struct {
		Level   string `yaml:"level"`
		Message string `yaml:"message"`
		Source  string `yaml:"source"`
	} `yaml:"logs"`
	Statuses map[string]struct {
		Failed bool `yaml:"failed"`
	} `yaml:"resource_statuses"`
}

// mostNamed is how many failures are named; the others are counted.
const mostNamed = 3

// failures names the resources that failed and why: "File[/x] (no space), ...";
// without any, the last errors of the log. Empty for what cannot be read.
func failures(text []byte) string {
	var r reportFile
	if err := yaml.Unmarshal(text, &r); err != nil {
		return ""
	}
	var said []string
	for ref, status := range r.Statuses {
		if status.Failed {
			said = append(said, oneLine(ref+r.why(ref)))
		}
	}
	slices.Sort(said)
	if len(said) == 0 {
		for _, l := range r.Logs {
			if l.Level == "err" && !strings.HasPrefix(l.Message, "Facter:") {
				said = append(said, oneLine(l.Message))
			}
		}
	}
	if len(said) > mostNamed {
		said = append(said[:mostNamed], fmt.Sprintf("and %d more", len(said)-mostNamed))
	}
	return strings.Join(said, ", ")
}

// why is the log's word on a resource; its source is the containment path, such
// as /Stage[main]/Main/File[/x]/ensure.
func (r reportFile) why(ref string) string {
	for _, l := range r.Logs {
		if l.Level == "err" && (strings.Contains(l.Source, "/"+ref+"/") || strings.HasSuffix(l.Source, "/"+ref)) {
			first, _, _ := strings.Cut(l.Message, "\n")
			return " (" + first + ")"
		}
	}
	return ""
}
