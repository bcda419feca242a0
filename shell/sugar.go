package shell

import (
	"slices"
	"strings"

	"github.com/rollsh/rollsh/lua"
	"github.com/rollsh/rollsh/nodes"
)

// desugar turns a line that begins with a sign of the prompt into Lua; other
// lines are Lua already. Only the first column counts.
//
//	@web1 CMD        run on a node, or @web[1-4] CMD on several, @prod CMD on a nodes file
//	@@app CMD        run on a tier; @@prod/app CMD where several nodes files have one
//	!CMD             run here
//	?NAME            help; so are help and help NAME
func desugar(project, line string) (string, error) {
	switch {
	case strings.HasPrefix(line, "@"):
		return desugarNodes(project, line)
	case strings.HasPrefix(line, "!"):
		cmd := strings.TrimSpace(line[1:])
		if cmd == "" {
			return "", usage("no command: write !COMMAND")
		}
		return "sh(" + lua.Quote(cmd) + ")", nil
	case strings.HasPrefix(line, "?"):
		name := strings.TrimSpace(line[1:])
		if name == "" {
			return "help()", nil
		}
		return "help(" + lua.Quote(name) + ")", nil
	case helpWords().MatchString(line):
		return "help(" + lua.Quote(helpWords().FindStringSubmatch(line)[1]) + ")", nil
	}
	return line, nil
}

// helpWords is help as it is typed in other shells: alone, or with a bare name.
var helpWords = nodes.Pattern(`^help(?:\s+([A-Za-z][\w.:-]*))?\s*$`)

func desugarNodes(project, line string) (string, error) {
	pattern, cmd, _ := strings.Cut(strings.TrimSpace(line), " ")
	cmd = strings.TrimSpace(cmd)
	tier, isTier := strings.CutPrefix(pattern, "@@")
	name := strings.TrimPrefix(pattern, "@")
	if name == "" || isTier && tier == "" || cmd == "" {
		e := usage("no command for %s", pattern)
		e.Hint = "write @NODE COMMAND, or @@TIER COMMAND"
		return "", e
	}
	var who string
	var err error
	switch {
	case isTier:
		who, err = inFile(project, tier, "tier", func(s nodes.Set, name string) (string, bool) {
			ok := slices.ContainsFunc(s.Tiers(), func(t nodes.Set) bool { return t.Name == name })
			return ":tier(" + lua.Quote(name) + ")", ok
		})
	case strings.ContainsAny(name, "[*?,#@"):
		who, err = inFile(project, name, "node", func(s nodes.Set, pattern string) (string, bool) {
			only, err := s.Only(pattern)
			return ":only(" + lua.Quote(pattern) + ")", err == nil && len(only.Nodes) > 0
		})
	case isFile(project, name):
		who = "nodes(" + lua.Quote(name) + ")"
	default:
		who = "node(" + lua.Quote(name) + ")"
	}
	return who + ":run(" + lua.Quote(cmd) + ")", err
}

// isFile reports whether a name is a nodes file's and no node's.
func isFile(project, name string) bool {
	files, err := nodeFiles(project)
	if err != nil || !slices.Contains(files, name) {
		return false
	}
	_, err = nodes.Find(nodes.Folder(project), name)
	return err != nil
}

func nodeFiles(project string) ([]string, error) {
	if project == "" {
		return nil, nil
	}
	return nodes.FileNames(nodes.Folder(project))
}

// inFile finds the one nodes file whose set has what is wanted; "FILE/WANTED"
// names it.
func inFile(project, wanted, what string, has func(nodes.Set, string) (string, bool)) (string, error) {
	files, err := nodeFiles(project)
	if err != nil {
		return "", err
	}
	if file, rest, ok := strings.Cut(wanted, "/"); ok {
		files, wanted = []string{file}, rest
	}
	var found []string
	var code string
	for _, file := range files {
		set, err := nodes.Load(nodes.Folder(project), file)
		if err != nil {
			return "", err
		}
		if part, ok := has(set, wanted); ok {
			found = append(found, file)
			code = "nodes(" + lua.Quote(file) + ")" + part
		}
	}
	switch len(found) {
	case 1:
		return code, nil
	case 0:
		e := &nodes.Error{Kind: nodes.NotFound, Message: "no " + what + " '" + wanted + "' in any nodes file"}
		if len(files) > 0 {
			e.Hint = "looked in nodes/" + strings.Join(files, ", nodes/")
		}
		return "", e
	}
	e := usage("%s '%s' is in several nodes files: %s", what, wanted, strings.Join(found, ", "))
	e.Hint = "name the file: " + found[0] + "/" + wanted
	return "", e
}

// splitWords cuts a command line into words as a shell does, without expanding
// anything.
func splitWords(line string) ([]string, error) {
	var words []string
	var current strings.Builder
	inWord := false
	var quote rune
	escaped := false
	for _, r := range line {
		switch {
		case escaped:
			current.WriteRune(r)
			escaped = false
		case r == '\\' && quote != '\'':
			escaped, inWord = true, true
		case quote != 0 && r == quote:
			quote = 0
		case quote == 0 && (r == '\'' || r == '"'):
			quote, inWord = r, true
		case quote == 0 && (r == ' ' || r == '\t' || r == '\n'):
			if inWord {
				words = append(words, current.String())
			}
			current.Reset()
			inWord = false
		default:
			current.WriteRune(r)
			inWord = true
		}
	}
	if quote != 0 || escaped {
		return nil, usage("a quote is not closed")
	}
	if inWord {
		words = append(words, current.String())
	}
	return words, nil
}
