package xmpp

import (
	"encoding/xml"
	"strings"

	"github.com/rollsh/rollsh/nodes"
)

// The XML namespaces that are spoken here.
const (
	nsClient   = "jabber:client"
	nsStream   = "http://etherx.jabber.org/streams"
	nsTLS      = "urn:ietf:params:xml:ns:xmpp-tls"
	nsSASL     = "urn:ietf:params:xml:ns:xmpp-sasl"
	nsBind     = "urn:ietf:params:xml:ns:xmpp-bind"
	nsSession  = "urn:ietf:params:xml:ns:xmpp-session"
	nsStanzas  = "urn:ietf:params:xml:ns:xmpp-stanzas"
	nsPing     = "urn:xmpp:ping"
	nsMUC      = "http://jabber.org/protocol/muc"
	nsMUCOwner = "http://jabber.org/protocol/muc#owner"
)

// features is what a server offers at the start of a stream.
type features struct {
	StartTLS   *struct{} `xml:"urn:ietf:params:xml:ns:xmpp-tls starttls"`
	Mechanisms []string  `xml:"urn:ietf:params:xml:ns:xmpp-sasl mechanisms>mechanism"`
	Bind       *struct{} `xml:"urn:ietf:params:xml:ns:xmpp-bind bind"`
	Session    *struct {
		Optional *struct{} `xml:"optional"`
	} `xml:"urn:ietf:params:xml:ns:xmpp-session session"`
}

// condition is an element that only its name matters of.
type condition struct {
	XMLName xml.Name
}

// failure is a SASL failure or a stream error: a condition and perhaps a text.
type failure struct {
	Text       string      `xml:"text"`
	Conditions []condition `xml:",any"`
}

func (f failure) condition() string { return firstOf(f.Conditions) }

func firstOf(cs []condition) string {
	if len(cs) == 0 {
		return "undefined-condition"
	}
	return cs[0].XMLName.Local
}

// stanzaError is what comes in a stanza of type error.
type stanzaError struct {
	Type       string      `xml:"type,attr"`
	Text       string      `xml:"urn:ietf:params:xml:ns:xmpp-stanzas text"`
	Conditions []condition `xml:",any"`
}

func (e *stanzaError) condition() string { return firstOf(e.Conditions) }

// mucStatus is a status code of XEP-0045.
type mucStatus struct {
	Code string `xml:"code,attr"`
}

// stanza is a message, presence or iq, as far as it matters here.
type stanza struct {
	XMLName  xml.Name
	From     string       `xml:"from,attr"`
	ID       string       `xml:"id,attr"`
	Type     string       `xml:"type,attr"`
	Body     string       `xml:"jabber:client body"`
	Statuses []mucStatus  `xml:"http://jabber.org/protocol/muc#user x>status"`
	Destroy  *struct{}    `xml:"http://jabber.org/protocol/muc#user x>destroy"`
	Error    *stanzaError `xml:"error"`
	Delay    *struct{}    `xml:"urn:xmpp:delay delay"`
	Bound    string       `xml:"urn:ietf:params:xml:ns:xmpp-bind bind>jid"`
	Ping     *struct{}    `xml:"urn:xmpp:ping ping"`
}

func (s *stanza) is(name string) bool {
	return s.XMLName.Space == nsClient && s.XMLName.Local == name
}

func (s *stanza) has(code string) bool {
	for _, st := range s.Statuses {
		if st.Code == code {
			return true
		}
	}
	return false
}

// refusal gives the error of a stanza of type error; one that carries none has
// the undefined condition.
func (s *stanza) refusal() *stanzaError {
	if s.Type != "error" {
		return nil
	}
	if s.Error == nil {
		return &stanzaError{}
	}
	return s.Error
}

// clean makes a text that XML 1.0 can carry and that does nothing to the
// terminal of a reader.
func clean(s string) string {
	return strings.NewReplacer("\uFFFE", "", "\uFFFF", "").Replace(nodes.Clean(s))
}

// esc is clean text, escaped for XML text and attributes.
func esc(s string) string {
	var b strings.Builder
	if err := xml.EscapeText(&b, []byte(clean(s))); err != nil {
		return "" // a strings.Builder does not fail
	}
	return b.String()
}
