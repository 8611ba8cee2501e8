package kafkatest

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// authority is a certificate authority for one cluster.
type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

// writeCertificates writes ca.pem, server.pem (with its key, for 127.0.0.1 and "broker.test"), client.pem, client.key,
// and other-ca.pem, the certificate of an authority that signed none of the others.
func writeCertificates(dir string) error {
	ca, caPEM, err := newAuthority("farmwire test authority")
	if err != nil {
		return fmt.Errorf("make certificates: %w", err)
	}
	_, otherPEM, err := newAuthority("another authority")
	if err != nil {
		return fmt.Errorf("make certificates: %w", err)
	}
	server, serverKey, err := ca.issue("broker")
	if err != nil {
		return fmt.Errorf("make certificates: %w", err)
	}
	client, clientKey, err := ca.issue("client")
	if err != nil {
		return fmt.Errorf("make certificates: %w", err)
	}
	files := map[string][]byte{
		"ca.pem": caPEM, "other-ca.pem": otherPEM,
		"server.pem": bytes.Join([][]byte{serverKey, server}, nil),
		"client.pem": client, "client.key": clientKey,
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			return fmt.Errorf("write certificates: %w", err)
		}
	}
	return nil
}

func newAuthority(name string) (authority, []byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return authority{}, nil, err
	}
	template := template(name, 1)
	template.IsCA, template.BasicConstraintsValid, template.KeyUsage = true, true, x509.KeyUsageCertSign
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return authority{}, nil, err
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		return authority{}, nil, err
	}
	return authority{certificate, key}, encodePEM("CERTIFICATE", der), nil
}

// issue returns a new certificate and its key, both as PEM.
func (a authority) issue(name string) ([]byte, []byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	template := template(name, 2)
	template.KeyUsage = x509.KeyUsageDigitalSignature
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	template.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)}
	template.DNSNames = []string{name + ".test"}
	der, err := x509.CreateCertificate(rand.Reader, template, a.certificate, key.Public(), a.key)
	if err != nil {
		return nil, nil, err
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, nil, err
	}
	return encodePEM("CERTIFICATE", der), encodePEM("PRIVATE KEY", secret), nil
}

func template(name string, serial int64) *x509.Certificate {
	return &x509.Certificate{
		SerialNumber: big.NewInt(serial),
		Subject:      pkix.Name{CommonName: name},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(24 * time.Hour),
	}
}

func encodePEM(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}
