package trigger

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"farmwire/cluster"
)

// The limits of a signing secret. Source: Standard Webhooks 1.0.0, Signature scheme.
const (
	signingSecretPrefix = "whsec_"
	shortestKey         = 24 // bytes
	longestKey          = 64 // bytes
	mostSigningSecrets  = 2  // the old one and the new one
)

// parseSigningSecrets returns the keys of secrets. The error quotes none of them.
func parseSigningSecrets(secrets []cluster.Secret) ([][]byte, error) {
	if len(secrets) > mostSigningSecrets {
		return nil, fmt.Errorf("the webhook has %d secrets, and %d are the most", len(secrets), mostSigningSecrets)
	}
	var keys [][]byte
	for i, secret := range secrets {
		key, err := parseSigningSecret(secret)
		if err != nil {
			return nil, fmt.Errorf("secret %d of %d of the webhook %w", i+1, len(secrets), err)
		}
		keys = append(keys, key)
	}
	return keys, nil
}

// parseSigningSecret returns the key of a secret. The error's text continues a sentence that begins with the name of the
// secret.
func parseSigningSecret(secret cluster.Secret) ([]byte, error) {
	text, ok := strings.CutPrefix(string(secret), signingSecretPrefix)
	if !ok {
		return nil, errors.New("does not begin with " + signingSecretPrefix)
	}
	key, err := base64.StdEncoding.Strict().DecodeString(text)
	if err != nil || strings.ContainsAny(text, "\r\n") { // which the decoder would skip
		return nil, errors.New("is not base64 after " + signingSecretPrefix)
	}
	if len(key) < shortestKey || len(key) > longestKey {
		return nil, fmt.Errorf("does not have %d to %d bytes", shortestKey, longestKey)
	}
	return key, nil
}

// sign sets the headers of Standard Webhooks: the id, which is the same in every try of an event, the time of the try, and
// one signature for each key. Without a key there is no signature.
//
// The signed text is the id, the time and the body, with full stops between them. So the id must not have any: its full
// stops become underscores.
func sign(header http.Header, keys [][]byte, id string, at time.Time, body []byte) {
	id = percentEncode(strings.ReplaceAll(id, ".", "_"))
	timestamp := strconv.FormatInt(at.Unix(), 10)
	header.Set("Webhook-Id", id)
	header.Set("Webhook-Timestamp", timestamp)
	var signatures []string
	for _, key := range keys {
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(id + "." + timestamp + "."))
		mac.Write(body)
		signatures = append(signatures, "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	}
	if len(signatures) > 0 {
		header.Set("Webhook-Signature", strings.Join(signatures, " "))
	}
}
