package cluster

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"slices"
	"strings"
	"time"
)

// explainTLS explains TLS handshakes that fail, on either side.
func explainTLS(err error) *Error {
	_, isUnknown := errors.AsType[x509.UnknownAuthorityError](err)
	_, isOfOther := errors.AsType[x509.HostnameError](err)
	invalid, isInvalid := errors.AsType[x509.CertificateInvalidError](err)
	_, isNoTLS := errors.AsType[tls.RecordHeaderError](err)
	switch {
	case isUnknown:
		return &Error{Kind: AuthorityUnknown, Text: "the broker's certificate is signed by an unknown authority"}
	case isOfOther:
		return &Error{Kind: ServerNameMismatch, Text: "the broker's certificate is for another name than the one that was connected to"}
	case isInvalid:
		return &Error{Kind: ServerCertificateInvalid, Text: explainCertificate(invalid)}
	case isNoTLS:
		return notTLS()
	case strings.Contains(err.Error(), "remote error: tls: "):
		return explainAlert(err.Error())
	case strings.Contains(err.Error(), "expecting TLS"), strings.Contains(err.Error(), "tls alert record"):
		return &Error{Kind: TLSRequired, Text: "the broker's port requires TLS"}
	}
	return nil
}

func explainCertificate(invalid x509.CertificateInvalidError) string {
	switch {
	case invalid.Reason != x509.Expired:
		return "the broker's certificate, or one of the authorities above it, may not be used for this: make a new one for servers"
	case invalid.Cert != nil && time.Now().Before(invalid.Cert.NotBefore):
		return "the broker's certificate is not valid yet, from " + invalid.Cert.NotBefore.UTC().Format(time.RFC3339) + " on: check the clock here, and the certificate"
	case invalid.Cert != nil:
		return "the broker's certificate expired at " + invalid.Cert.NotAfter.UTC().Format(time.RFC3339) + ": renew it at the broker, or check the clock here"
	}
	return "the broker's certificate has expired or is not valid yet: renew it at the broker, and check the clocks"
}

// explainAlert explains the TLS alert by which a broker ended the handshake. Only the error's text shows which alert it was.
func explainAlert(text string) *Error {
	has := func(alerts ...string) bool {
		return slices.ContainsFunc(alerts, func(alert string) bool { return strings.Contains(text, "tls: "+alert) })
	}
	switch {
	case has("expired certificate"):
		return &Error{Kind: ClientCertificateRefused, Text: "the broker refused our certificate because it has expired"}
	case has("revoked certificate"):
		return &Error{Kind: ClientCertificateRefused, Text: "the broker refused our certificate because it was revoked"}
	case has("protocol version not supported"):
		return &Error{Kind: TLSIncompatible, Text: "the broker and this client have no version of TLS in common: the broker must offer TLS 1.2 or 1.3"}
	case has("unrecognized name"):
		return &Error{Kind: ServerNameMismatch, Text: "the broker has no certificate for the name that was connected to"}
	case has("handshake failure", "insufficient security level"):
		return &Error{Kind: TLSHandshakeRefused, Text: "the broker and this client have no cipher of TLS in common, or the broker requires a client certificate: its log says which"}
	case has("internal error"):
		return &Error{Kind: TLSBroken, Text: "TLS does not work on the broker's side: look into its log"}
	}
	return &Error{Kind: ClientCertificateRequired, Text: "the broker refused our side of TLS: it requires a client certificate from an authority that it trusts"}
}
