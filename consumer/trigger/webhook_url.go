package trigger

import (
	"errors"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"unicode"

	"farmwire/cluster"
)

// parseWebhookURL returns a request to a URL, without an event. The error's text continues a sentence that begins with the
// name of the URL. It depends on nothing but what kind of mistake there is.
func parseWebhookURL(secret cluster.Secret) (*http.Request, error) {
	if secret == "" {
		return nil, errors.New("is empty")
	}
	r, err := http.NewRequest(http.MethodPost, string(secret), http.NoBody)
	if err != nil {
		return nil, errors.New("is not a URL")
	}
	u := r.URL
	switch {
	case u.Scheme != "https" && u.Scheme != "http":
		return nil, errors.New("must begin with https://")
	case u.Hostname() == "" || strings.ContainsFunc(u.Host, notInHosts):
		return nil, errors.New("has no valid host")
	case u.Scheme == "http" && !isLoopback(u.Hostname()):
		return nil, errors.New("must begin with https://, because http:// is for localhost and loopback addresses only")
	}
	if text := u.Port(); text != "" {
		if port, err := strconv.Atoi(text); err != nil || port < 1 || port > 65535 {
			return nil, errors.New("has a port that is not between 1 and 65535")
		}
	}
	r.Header.Set("User-Agent", "farmwire")
	// Without this the transport does not repeat a request on a new connection when the server has closed the old one in the
	// same moment. An empty list is not sent. A receiver knows a repetition by the webhook-id.
	r.Header["Idempotency-Key"] = []string{}
	if user := u.User; user != nil {
		password, _ := user.Password()
		r.SetBasicAuth(user.Username(), password)
		u.User = nil
	}
	return r, nil
}

// notInHosts reports whether a character has no place in a host, which is shown in logs.
func notInHosts(c rune) bool { return c == ' ' || c == unicode.ReplacementChar || !unicode.IsPrint(c) }

// isLoopback reports whether a host is this machine by its name.
func isLoopback(host string) bool {
	address, err := netip.ParseAddr(host)
	return strings.EqualFold(host, "localhost") || err == nil && address.IsLoopback()
}
