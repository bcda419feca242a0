package nodes

import (
	"errors"
	"slices"
	"strings"
)

// fileKeys are the keys that a nodes file knows, in the order of api.
var fileKeys = []string{"host", "port", "user", "key", "jump", "proxy", "tags", "path", "at_once", "drain", "undrain", "check"}

var varName = Pattern(`^x-[A-Za-z0-9_][A-Za-z0-9_-]*$`)

// settings are the keys of one line, or of a scope: host and x-NAME too.
type settings map[string]string

// add reads one key=value word. The same key twice on a line is a mistake.
func (s settings) add(word string) *Error {
	key, value, _ := strings.Cut(word, "=")
	if !slices.Contains(fileKeys, key) && !varName().MatchString(key) {
		return unknownKey(key)
	}
	if _, ok := s[key]; ok {
		return &Error{Message: "'" + key + "' is given twice", Hint: "keep one of them"}
	}
	if err := checkValue(key, value); err != nil {
		return &Error{Message: err.Error()}
	}
	s[key] = value
	return nil
}

func unknownKey(key string) *Error {
	e := &Error{Message: "unknown key '" + Clean(key) + "'"}
	name := strings.TrimLeft(strings.TrimPrefix(key, "x"), "-_")
	switch {
	case key == "":
		e.Message = "'=' without a key before it"
		e.Hint = "write key=value without spaces"
	case Suggest(key, fileKeys) != "":
		e.Hint = didYouMean(key, fileKeys) + " Keys of your own are x-NAME"
	case varName().MatchString("x-" + name):
		e.Hint = "known are " + strings.Join(fileKeys, " ") + "; for a key of your own write x-" + name
	default:
		e.Hint = "known are " + strings.Join(fileKeys, " ") + " and x-NAME"
	}
	return e
}

// checkValue refuses values that cannot be meant. An empty value takes a
// default away.
func checkValue(key, value string) error {
	if value == "" {
		return nil
	}
	switch key {
	case "port":
		_, err := parsePort(value)
		return err
	case "path":
		switch {
		case value[0] == '~':
			return errors.New("path '" + value + "' is not absolute: what ~ is must be written out")
		case value[0] != '/':
			return errors.New("path '" + value + "' is not absolute, write /" + strings.TrimPrefix(value, "./"))
		}
	case "at_once":
		if _, err := ParseAtOnce(value); err != nil {
			return errors.New(AsError(err, Usage).Message)
		}
	case "user", "jump":
		if value[0] == '-' || strings.ContainsAny(value, " \t") {
			return errors.New("bad " + key + " '" + value + "'")
		}
	case "tags":
		for _, tag := range splitTags(value) {
			if !nodeName().MatchString(tag) {
				return errors.New("bad tag '" + tag + "', tags are words with commas between them")
			}
		}
	}
	return nil
}

func splitTags(value string) []string {
	return strings.FieldsFunc(value, func(r rune) bool { return r == ',' || r == ' ' || r == '\t' })
}

// scope is where defaults hold: a file or a tier, inside the scope of the line
// that included the file.
type scope struct {
	outer    *scope
	tier     string
	settings settings
}

// value looks a key up from the inside out.
func (sc *scope) value(key string) string {
	for ; sc != nil; sc = sc.outer {
		if v, ok := sc.settings[key]; ok {
			return v
		}
	}
	return ""
}

func (sc *scope) tierName() string {
	for ; sc != nil; sc = sc.outer {
		if sc.tier != "" {
			return sc.tier
		}
	}
	return ""
}

// vars gathers the x-NAME keys, by NAME; nil when there are none.
func (sc *scope) vars() map[string]string {
	var vars map[string]string
	for ; sc != nil; sc = sc.outer {
		for key, value := range sc.settings {
			name, own := strings.CutPrefix(key, "x-")
			if _, ok := vars[name]; ok || !own {
				continue
			}
			if vars == nil {
				vars = map[string]string{}
			}
			vars[name] = value
		}
	}
	return vars
}

// apply fills a node with what the scope says; host and port that the address
// gave stay. A port that reached the scope is a number.
func (sc *scope) apply(n *Node) {
	if n.Port == 0 {
		n.Port, _ = parsePort(sc.value("port"))
	}
	n.User, n.Key, n.Jump, n.Proxy = sc.value("user"), sc.value("key"), sc.value("jump"), sc.value("proxy")
	n.Path, n.Tier, n.Tags = RemotePath(sc.value("path")), sc.tierName(), splitTags(sc.value("tags"))
	n.AtOnce, n.Drain, n.Undrain, n.Check = sc.value("at_once"), sc.value("drain"), sc.value("undrain"), sc.value("check")
	n.Vars = sc.vars()
}
