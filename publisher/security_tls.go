package publisher

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"strings"
	"time"
)

func explainTLS(err error) string {
	var (
		unknown x509.UnknownAuthorityError
		name    x509.HostnameError
		invalid x509.CertificateInvalidError
		plain   tls.RecordHeaderError
	)
	switch {
	case errors.As(err, &unknown):
		return "the broker's certificate is signed by an unknown authority: give its certificate with --tls-ca"
	case errors.As(err, &name):
		return "the broker's certificate is for another name: connect by a name that it holds, or say that name with --tls-server-name"
	case errors.As(err, &invalid):
		return explainCertificate(invalid)
	case errors.As(err, &plain):
		return closedTLS
	case strings.Contains(err.Error(), "remote error: tls: "):
		return explainAlert(err.Error())
	case strings.Contains(err.Error(), "expecting TLS"), strings.Contains(err.Error(), "tls alert record"):
		return "the broker's port wants TLS: add --tls"
	}
	return ""
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

// explainAlert is for what a broker does not like about our side. The alert is in the text only.
func explainAlert(text string) string {
	has := func(alerts ...string) bool {
		for _, a := range alerts {
			if strings.Contains(text, "tls: "+a) {
				return true
			}
		}
		return false
	}
	switch {
	case has("expired certificate"):
		return "the broker refused our certificate, because it has expired: renew the files of --tls-cert and --tls-key"
	case has("revoked certificate"):
		return "the broker refused our certificate, because it was revoked: give another with --tls-cert and --tls-key"
	case has("protocol version not supported"):
		return "the broker speaks no version of TLS that Farmwire does: it must offer TLS 1.2 or 1.3"
	case has("unrecognized name"):
		return "the broker has no certificate for the name that it was asked for: connect by a name that it knows, or say that name with --tls-server-name"
	case has("handshake failure", "insufficient security level"):
		return "the broker and Farmwire have no way of TLS in common, or it wants a client certificate (--tls-cert, --tls-key): its log says which"
	case has("internal error"):
		return "the broker's side of TLS does not work: look into its log"
	}
	return "the broker refused our side of TLS: it wants a client certificate (--tls-cert, --tls-key) from an authority that it trusts"
}
