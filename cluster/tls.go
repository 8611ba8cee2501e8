package cluster

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"unicode"
)

// config returns the configuration of TLS, or nil if TLS is not enabled. The error is an ErrConfiguration and quotes nothing
// of the files.
func (t TLS) config() (*tls.Config, error) {
	if !t.Enabled {
		return nil, nil
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: t.ServerName}
	if t.CAFile != "" {
		text, err := t.ca().read()
		if err != nil {
			return nil, err
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(text) {
			return nil, t.ca().wrong(noCertificate)
		}
	}
	if t.CertFile != "" {
		pair, err := t.pair()
		if err != nil {
			return nil, err
		}
		config.GetClientCertificate = t.renewed(pair)
	}
	return config, nil
}

// renewed returns a function that reads the client's certificate and key anew for each connection, so that they can be
// replaced without a restart. As long as the files do not fit together, it returns the last pair that did.
func (t TLS) renewed(last *tls.Certificate) func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
	var mu sync.Mutex
	return func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
		mu.Lock()
		defer mu.Unlock()
		if pair, err := t.pair(); err == nil {
			last = pair
		}
		return last, nil
	}
}

// pair reads the client's certificate and its key.
func (t TLS) pair() (*tls.Certificate, error) {
	certificate, err := t.cert().read()
	if err != nil {
		return nil, err
	}
	key, err := t.key().read()
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
		return nil, t.cert().wrong(noCertificate)
	case strings.Contains(kinds, "ENCRYPTED"):
		return nil, t.key().wrong("is encrypted: decrypt it first, by `openssl pkey -in KEY -out DECRYPTED`, and keep the file to yourself")
	case !strings.Contains(kinds, "PRIVATE KEY"):
		return nil, t.key().wrong("holds no private key in PEM")
	case strings.Contains(err.Error(), "does not match"):
		return nil, t.key().wrong("holds a key that does not belong to the client certificate")
	}
	return nil, t.key().wrong("or the client certificate is damaged, or of a kind that is not known")
}

const noCertificate = "holds no certificate in PEM"

// pemKinds returns the types of the PEM blocks in a text, and the old headers that say that a block is ENCRYPTED.
func pemKinds(text []byte) string {
	var kinds []string
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		kinds = append(kinds, block.Type, block.Headers["Proc-Type"])
	}
	return strings.Join(kinds, " ")
}

// pemFile is a file that a setting names. Its errors are an ErrConfiguration.
type pemFile struct {
	kind Kind // of its errors
	name string
	path string
}

func (t TLS) ca() pemFile   { return pemFile{CAFileInvalid, "the CA file", t.CAFile} }
func (t TLS) cert() pemFile { return pemFile{CertFileInvalid, "the certificate file", t.CertFile} }
func (t TLS) key() pemFile  { return pemFile{KeyFileInvalid, "the key file", t.KeyFile} }

func (f pemFile) read() ([]byte, error) {
	if strings.Contains(f.path, "-----BEGIN") {
		return nil, f.wrong("is given as its text: write the text into a file, and give the file's name")
	}
	text, err := os.ReadFile(f.path)
	if err != nil {
		return nil, f.wrong(Unreadable(err))
	}
	return text, nil
}

// wrong makes an error that says what is wrong with the file. It quotes the path only if that cannot be a secret: somebody
// may have given the key itself instead of the key's path.
func (f pemFile) wrong(what string) error {
	if f.kind != KeyFileInvalid && looksLikePath(f.path) {
		return wrong(f.kind, "%s %s %s", f.name, f.path, what)
	}
	return wrong(f.kind, "%s %s", f.name, what)
}

// looksLikePath reports whether a text looks like the name of a certificate's file and like nothing else.
func looksLikePath(path string) bool {
	const longest = 200
	odd := func(r rune) bool { return !unicode.IsPrint(r) }
	return slices.Contains([]string{".pem", ".crt", ".cer", ".cert"}, filepath.Ext(path)) && len(path) <= longest && !strings.ContainsFunc(path, odd)
}

// Unreadable says why a file cannot be read, as the end of a sentence that begins with the file. It quotes neither the path,
// which may be a secret in the wrong place, nor the file's text.
func Unreadable(err error) string {
	if at, ok := errors.AsType[*fs.PathError](err); ok {
		return "cannot be read: " + at.Err.Error()
	}
	return "cannot be read"
}
