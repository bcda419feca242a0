package nodes

import (
	"fmt"
	"strconv"
	"strings"
)

// ParseMode reads permissions as chmod(1) does, without +, - and X: "0644",
// "u=rw,go=r". It gives Unix's bits; setuid, setgid and sticky only as digits.
func ParseMode(text string) (uint32, error) {
	if n, err := strconv.ParseUint(text, 8, 32); err == nil && n <= 0o7777 && len(text) >= 3 {
		return uint32(n), nil
	}
	var mode uint32
	for clause := range strings.SplitSeq(text, ",") {
		who, what, ok := strings.Cut(clause, "=")
		if !ok || who == "" || strings.Trim(who, "ugoa") != "" || strings.Trim(what, "rwx") != "" {
			return 0, fmt.Errorf(`expected permissions such as "0644" or "u=rw,go=r", got %q`, text)
		}
		var bits uint32
		for i, c := range "rwx" {
			if strings.ContainsRune(what, c) {
				bits |= 4 >> i
			}
		}
		for i, c := range "ugo" {
			if strings.ContainsRune(who, c) || strings.Contains(who, "a") {
				shift := 6 - 3*i
				mode = mode&^(7<<shift) | bits<<shift
			}
		}
	}
	return mode, nil
}
