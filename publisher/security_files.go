package publisher

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"unicode"
)

// encryption is nil without TLS. Errors are ErrConfiguration and quote nothing of the files.
func (s Security) encryption() (*tls.Config, error) {
	if !s.TLS {
		return nil, nil
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: s.ServerName}
	if s.CAFile != "" {
		text, err := readPEM("--tls-ca", s.CAFile)
		if err != nil {
			return nil, err
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(text) {
			return nil, wrongFile("--tls-ca", s.CAFile, "the file holds no certificate in PEM")
		}
	}
	if s.CertFile != "" {
		pair, err := s.pair()
		if err != nil {
			return nil, err
		}
		config.GetClientCertificate = s.renewed(pair)
	}
	return config, nil
}

// renewed reads the client's certificate anew at each connection, so that a renewed one is shown without a restart.
// While the files do not fit together, as in the middle of a renewal, the last pair that did is shown.
func (s Security) renewed(last *tls.Certificate) func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
	var mu sync.Mutex
	return func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
		mu.Lock()
		defer mu.Unlock()
		if pair, err := s.pair(); err == nil {
			last = pair
		}
		return last, nil
	}
}

// pair is the client's certificate with its key.
func (s Security) pair() (*tls.Certificate, error) {
	certificate, err := readPEM("--tls-cert", s.CertFile)
	if err != nil {
		return nil, err
	}
	key, err := readPEM("--tls-key", s.KeyFile)
	if err != nil {
		return nil, err
	}
	pair, err := tls.X509KeyPair(certificate, key)
	if err == nil {
		return &pair, nil
	}
	kinds := pemKinds(key)
	switch {
	case !strings.Contains(pemKinds(certificate), "CERTIFICATE"):
		return nil, wrongFile("--tls-cert", s.CertFile, "the file holds no certificate in PEM")
	case strings.Contains(kinds, "ENCRYPTED"):
		return nil, wrongFile("--tls-key", "", "the key is encrypted: decrypt it first, by `openssl pkey -in KEY -out DECRYPTED`, and keep the file to yourself")
	case !strings.Contains(kinds, "PRIVATE KEY"):
		return nil, wrongFile("--tls-key", "", "the file holds no private key in PEM")
	case strings.Contains(err.Error(), "does not match"):
		return nil, wrongFile("--tls-key", "", "the key is not that of the certificate in --tls-cert")
	}
	return nil, wrongFile("--tls-key", "", "the key, or the certificate in --tls-cert, is damaged or of a kind that is not known")
}

// pemKinds are the kinds of a text's blocks; an encrypted block of the old form counts as ENCRYPTED.
func pemKinds(text []byte) string {
	var kinds []string
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		kinds = append(kinds, block.Type, block.Headers["Proc-Type"])
	}
	return strings.Join(kinds, " ")
}

// readPEM reads the file that a flag names.
func readPEM(flag, path string) ([]byte, error) {
	if strings.Contains(path, "-----BEGIN") {
		return nil, wrongFile(flag, "", "it holds the text of a file: write the text into a file, and give the file's name")
	}
	text, err := os.ReadFile(path)
	if err == nil {
		return text, nil
	}
	if flag == "--tls-key" {
		path = "" // who mixes things up gives the key itself
	}
	return nil, wrongFile(flag, path, Unreadable(err))
}

// wrongFile is what is wrong with the file that a flag names.
func wrongFile(flag, path, what string) error {
	if tellable(path) {
		flag += " " + path
	}
	return fmt.Errorf("%w: %s: %s", ErrConfiguration, flag, what)
}

// tellable reports whether a text looks like the name of a certificate's file and like nothing else.
func tellable(path string) bool {
	const longest = 200
	odd := func(r rune) bool { return !unicode.IsPrint(r) }
	return slices.Contains([]string{".pem", ".crt", ".cer", ".cert"}, filepath.Ext(path)) && len(path) <= longest && !strings.ContainsFunc(path, odd)
}

// Unreadable says why a file cannot be read, and quotes neither its name nor its text.
func Unreadable(err error) string {
	var at *fs.PathError
	if errors.As(err, &at) {
		return "the file cannot be read: " + at.Err.Error()
	}
	return "the file cannot be read"
}
