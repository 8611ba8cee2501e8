package cluster

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// selfSigned is a certificate and its key, both in PEM.
func selfSigned(t *testing.T, name string, from, to time.Time) (certificate, key string) {
	t.Helper()
	secret, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: from, NotAfter: to,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, IsCA: true, BasicConstraintsValid: true,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, secret.Public(), secret)
	if err != nil {
		t.Fatal(err)
	}
	encoded, err := x509.MarshalPKCS8PrivateKey(secret)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})), string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: encoded}))
}

func anHourAround(t *testing.T, name string) (certificate, key string) {
	return selfSigned(t, name, time.Now().Add(-time.Hour), time.Now().Add(time.Hour))
}

func writeFile(t *testing.T, folder, name, text string) string {
	t.Helper()
	path := filepath.Join(folder, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// The error of each setting that names a file says what is wrong with the file, and quotes neither its text nor a text in
// place of its name.
func TestFilesThatAreNone(t *testing.T) {
	folder := t.TempDir()
	certificate, key := anHourAround(t, "client")
	_, another := anHourAround(t, "another")
	good, goodKey := writeFile(t, folder, "c.pem", certificate), writeFile(t, folder, "k.pem", key)
	const canary = "canary-0123456789"
	block := func(kind, headers string) string {
		return "-----BEGIN " + kind + "-----\n" + headers + "Y2FuYXJ5LTAxMjM0NTY3ODk=\n-----END " + kind + "-----\n"
	}
	oneLine := strings.Join(strings.Split(key, "\n")[1:3], "")
	for _, tc := range []struct {
		name  string
		files TLS
		kind  Kind
		want  []string
	}{
		{"the key's text", TLS{CertFile: good, KeyFile: key}, KeyFileInvalid, []string{"is given as its text"}},
		{"the key's text without its frame", TLS{CertFile: good, KeyFile: oneLine}, KeyFileInvalid, []string{"cannot be read"}},
		{"a password for the key", TLS{CertFile: good, KeyFile: canary}, KeyFileInvalid, []string{"no such file"}},
		{"the certificate's text", TLS{CertFile: certificate + key, KeyFile: goodKey}, CertFileInvalid, []string{"is given as its text"}},
		{"the authority's text", TLS{CAFile: certificate + key}, CAFileInvalid, []string{"is given as its text"}},
		{"the authority's text in one line", TLS{CAFile: oneLine}, CAFileInvalid, []string{"cannot be read"}},
		{"no authority", TLS{CAFile: filepath.Join(folder, "none.pem")}, CAFileInvalid, []string{"the CA file " + folder, "no such file"}},
		{"a folder", TLS{CAFile: folder}, CAFileInvalid, []string{"is a directory"}},
		{"a key for the authority", TLS{CAFile: goodKey}, CAFileInvalid, []string{"holds no certificate"}},
		{"a key for the certificate", TLS{CertFile: goodKey, KeyFile: goodKey}, CertFileInvalid, []string{"holds no certificate"}},
		{"a certificate for the key", TLS{CertFile: good, KeyFile: good}, KeyFileInvalid, []string{"holds no private key"}},
		{"a password in the key's file", TLS{CertFile: good, KeyFile: writeFile(t, folder, "p", canary)}, KeyFileInvalid, []string{"holds no private key"}},
		{"another's key", TLS{CertFile: good, KeyFile: writeFile(t, folder, "a.pem", another)}, KeyFileInvalid, []string{"does not belong to the client certificate"}},
		{"an encrypted key", TLS{CertFile: good, KeyFile: writeFile(t, folder, "e.pem", block("ENCRYPTED PRIVATE KEY", ""))}, KeyFileInvalid, []string{"encrypted", "openssl pkey"}},
		{"an encrypted key of the old form", TLS{CertFile: good, KeyFile: writeFile(t, folder, "o.pem", block("RSA PRIVATE KEY", "Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\n"))}, KeyFileInvalid, []string{"encrypted", "openssl pkey"}},
		{"a damaged key", TLS{CertFile: good, KeyFile: writeFile(t, folder, "d.pem", block("PRIVATE KEY", ""))}, KeyFileInvalid, []string{"damaged"}},
	} {
		tc.files.Enabled = true
		_, err := tc.files.config()
		if !errors.Is(err, ErrConfiguration) || kindOf(err) != tc.kind {
			t.Errorf("%s: %v", tc.name, err)
			continue
		}
		for _, want := range tc.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v, want %q", tc.name, err, want)
			}
		}
		for _, secret := range []string{canary, "Y2FuYXJ5", oneLine[:30], "-----", "\n"} {
			if strings.Contains(err.Error(), secret) {
				t.Errorf("%s: it is told: %v", tc.name, err)
			}
		}
	}
}

// A renewed certificate is shown at the next connection; half of one is not.
func TestClientCertificatesAreRenewed(t *testing.T) {
	folder := t.TempDir()
	server, serverKey := anHourAround(t, "server")
	pair, err := tls.X509KeyPair([]byte(server), []byte(serverKey))
	if err != nil {
		t.Fatal(err)
	}
	listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{pair}, ClientAuth: tls.RequireAnyClientCert})
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	shown := make(chan string)
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			name := "nobody"
			if tlsConn := conn.(*tls.Conn); tlsConn.Handshake() == nil {
				name = tlsConn.ConnectionState().PeerCertificates[0].Subject.CommonName
			}
			shown <- name
			conn.Close()
		}
	}()
	replace := func(name, text string) {
		if err := os.Rename(writeFile(t, folder, "new", text), filepath.Join(folder, name)); err != nil {
			t.Fatal(err)
		}
	}
	first, firstKey := anHourAround(t, "first")
	second, secondKey := anHourAround(t, "second")
	replace("c.pem", first)
	replace("k.pem", firstKey)
	c := Config{Brokers: []string{listener.Addr().String()}, TLS: TLS{
		Enabled: true, CAFile: writeFile(t, folder, "ca.pem", server), CertFile: filepath.Join(folder, "c.pem"), KeyFile: filepath.Join(folder, "k.pem"),
	}}
	transport, err := c.Transport()
	if err != nil {
		t.Fatal(err)
	}
	connect := func(want string) {
		t.Helper()
		franz := overTLS(c.dial, transport.TLS)
		kafka := func(ctx context.Context, network, address string) (net.Conn, error) {
			plain, err := transport.Dial(ctx, network, address)
			if err != nil {
				return nil, err
			}
			config := transport.TLS.Clone()
			config.ServerName = "127.0.0.1"
			return tls.Client(plain, config), nil
		}
		for _, dial := range []dialFunc{franz, kafka} {
			conn, err := dial(t.Context(), "tcp", listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			go func() { _, _ = conn.Read(make([]byte, 1)) }() // shakes hands if nobody did yet
			if got := <-shown; got != want {
				t.Errorf("%s was shown, want %s", got, want)
			}
			conn.Close()
		}
	}
	connect("first")
	replace("c.pem", second)
	connect("first")
	replace("k.pem", secondKey)
	connect("second")
	replace("k.pem", "")
	connect("second")
}
