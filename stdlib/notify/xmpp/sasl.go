package xmpp

import (
	"encoding/base64"
	"slices"
	"strconv"
	"strings"

	"github.com/xdg-go/scram"

	"github.com/rollsh/rollsh/nodes"
)

// mechanisms are the ways to log in, best first. Channel binding (-PLUS) is
// left out: servers offer it and then refuse the binding of TLS 1.3.
var mechanisms = []string{"SCRAM-SHA-512", "SCRAM-SHA-256", "SCRAM-SHA-1", "PLAIN"}

var hashes = map[string]scram.HashGeneratorFcn{
	"SCRAM-SHA-512": scram.SHA512, "SCRAM-SHA-256": scram.SHA256, "SCRAM-SHA-1": scram.SHA1,
}

// mostIterations bounds the work that a server can make us do; real ones ask
// for 4,096 to a few hundred thousand.
const mostIterations = 2_000_000

// login authenticates. The stream must be under verified TLS.
func (s *stream) login(cfg Config, offered []string) error {
	for _, m := range mechanisms {
		switch {
		case !slices.Contains(offered, m):
		case m == "PLAIN":
			return s.plain(cfg)
		default:
			return s.scram(cfg, m)
		}
	}
	return protocol("no-mechanism", "the server offers no login that is known here, only "+quote(strings.Join(offered, " ")),
		"it must offer one of "+strings.Join(mechanisms, ", "))
}

func (s *stream) plain(cfg Config) error {
	if err := s.auth("PLAIN", "\x00"+cfg.user()+"\x00"+cfg.Password.Reveal()); err != nil {
		return err
	}
	done, _, err := s.saslAnswer(cfg, "PLAIN")
	if err == nil && !done {
		err = protocol("malformed-request", "the server asks on after a PLAIN login", "")
	}
	return err
}

func (s *stream) scram(cfg Config, mechanism string) error {
	client, err := hashes[mechanism].NewClient(cfg.user(), cfg.Password.Reveal(), "")
	if err != nil {
		return &nodes.Error{Kind: nodes.Usage, Message: "jid and password hold characters that no login can have"}
	}
	talk := client.NewConversation()
	first, err := talk.Step("")
	if err != nil {
		return protocol("scram", mechanism+": "+err.Error(), "")
	}
	if err := s.auth(mechanism, first); err != nil {
		return err
	}
	for {
		done, text, err := s.saslAnswer(cfg, mechanism)
		if err != nil {
			return err
		}
		if err := s.scramStep(talk, mechanism, text, done); err != nil {
			return err
		}
		if !done {
			continue
		}
		if !talk.Valid() {
			return protocol("scram", mechanism+": the server has not proved that it knows the password", "")
		}
		return nil
	}
}

func (s *stream) scramStep(talk *scram.ClientConversation, mechanism, text string, done bool) error {
	if done && text == "" {
		return nil
	}
	if n := iterations(text); n > mostIterations {
		return protocol("scram", mechanism+": the server asks for "+strconv.Itoa(n)+" iterations", "")
	}
	reply := ""
	if !talk.Done() {
		var err error
		if reply, err = talk.Step(text); err != nil {
			return protocol("scram", mechanism+": "+err.Error(), "")
		}
	}
	if done {
		return nil
	}
	return s.send("<response xmlns='%s'>%s</response>", nsSASL, base64.StdEncoding.EncodeToString([]byte(reply)))
}

func (s *stream) auth(mechanism, first string) error {
	return s.send("<auth xmlns='%s' mechanism='%s'>%s</auth>", nsSASL, mechanism, base64.StdEncoding.EncodeToString([]byte(first)))
}

// saslAnswer reads a challenge or the success, decoded.
func (s *stream) saslAnswer(cfg Config, mechanism string) (done bool, text string, err error) {
	start, err := s.next()
	if err != nil {
		return false, "", err
	}
	if start.Name.Space == nsSASL && start.Name.Local == "failure" {
		var f failure
		if err := s.dec.DecodeElement(&f, &start); err != nil {
			return false, "", err
		}
		return false, "", saslError(cfg.JID, mechanism, f)
	}
	if start.Name.Space != nsSASL || start.Name.Local != "challenge" && start.Name.Local != "success" {
		return false, "", protocol("malformed-request", "the server answers the login with <"+start.Name.Local+">", "")
	}
	var coded string
	if err := s.dec.DecodeElement(&coded, &start); err != nil {
		return false, "", err
	}
	raw, err := base64.StdEncoding.DecodeString(strings.TrimLeft(strings.TrimSpace(coded), "="))
	if err != nil {
		return false, "", protocol("incorrect-encoding", "the server's login answer is not base64", "")
	}
	return start.Name.Local == "success", string(raw), nil
}

var iterationField = nodes.Pattern(`(?:^|,)i=(\d{1,18})(?:,|$)`)

func iterations(challenge string) int {
	m := iterationField().FindStringSubmatch(challenge)
	if m == nil {
		return 0
	}
	n, _ := strconv.Atoi(m[1]) // at most 18 digits
	return n
}
