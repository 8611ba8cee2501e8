package receiver

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"slices"
	"strings"
)

// verify says what is wrong with the signature of a request, as Standard Webhooks 1.0.0 wants it. The key is one of those that
// the sender has.
func verify(header http.Header, key, body []byte, id string) (problem string) {
	signed := header.Get("Webhook-Id")
	if signed != strings.ReplaceAll(id, ".", "_") {
		return "its webhook-id is " + signed
	}
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(signed + "." + header.Get("Webhook-Timestamp") + "."))
	mac.Write(body)
	want := "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
	if !slices.Contains(strings.Fields(header.Get("Webhook-Signature")), want) {
		return "it is not signed with the key"
	}
	return ""
}
