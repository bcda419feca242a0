package nodes

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// FromFields makes a node that no file names, from the keys of a nodes file and
// name, tier and vars (a table). Values are strings; port may be a number and
// tags a list. It fails with Usage for an unknown key or a bad value.
func FromFields(fields map[string]any) (*Node, error) {
	name, tier := textField(fields, "name"), textField(fields, "tier")
	n := &Node{Vars: map[string]string{}}
	own := &scope{tier: tier, settings: settings{}}
	for _, key := range slices.Sorted(maps.Keys(fields)) {
		switch key {
		case "name", "tier":
		case "vars":
			if err := own.takeVars(fields[key]); err != nil {
				return nil, err
			}
		default:
			if err := own.settings.add(key + "=" + textField(fields, key)); err != nil {
				err.Kind = Usage
				return nil, err
			}
		}
	}
	if err := n.address(own); err != nil {
		return nil, err
	}
	if name == "" {
		name = n.Host
	}
	if !nodeName().MatchString(name) {
		return nil, &Error{Kind: Usage, Message: "'" + Clean(name) + "' cannot be the name of a node", Hint: "give name= of letters, digits, _ . and -"}
	}
	n.Name = Name(name)
	own.apply(n)
	return n, nil
}

func (n *Node) address(own *scope) error {
	host := own.settings["host"]
	if host == "" {
		return nil
	}
	var err error
	if n.Host, n.Port, err = parseAddress(host); err != nil {
		return &Error{Kind: Usage, Message: "host: " + err.Error()}
	}
	return nil
}

func (sc *scope) takeVars(v any) error {
	vars, ok := v.(map[string]any)
	if list, empty := v.([]any); empty && len(list) == 0 {
		return nil
	}
	if !ok {
		return &Error{Kind: Usage, Message: "vars is a table of names and values"}
	}
	for name := range vars {
		if err := sc.settings.add("x-" + name + "=" + textField(vars, name)); err != nil {
			err.Kind = Usage
			return err
		}
	}
	return nil
}

// textField writes a value as a nodes file has it.
func textField(fields map[string]any, key string) string {
	switch v := fields[key].(type) {
	case nil:
		return ""
	case string:
		return v
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	case []any:
		words := make([]string, len(v))
		for i, w := range v {
			words[i] = fmt.Sprint(w)
		}
		return strings.Join(words, ",")
	default:
		return fmt.Sprint(v)
	}
}
