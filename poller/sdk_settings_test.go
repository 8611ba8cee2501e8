package poller

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"farmwire/poller/awserr"
	"farmwire/poller/farmtest"

	"github.com/aws/aws-sdk-go-v2/service/deadline"
	"go.uber.org/zap"
)

// A text that cannot be a region is refused. The error names the setting and is printable.
func TestFormOfRegion(t *testing.T) {
	keys := map[string]string{"AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": "SECRET"}
	for _, region := range []string{
		"us-west-2", "us-gov-east-1", "cn-north-1", "us-iso-east-1", "us-isob-east-1", "us-isof-south-1", "eu-isoe-west-1", "eusc-de-east-1",
		"mx-central-1", "ap-southeast-7", "il-central-1", "me-south-12",
	} {
		environment(t, keys)
		t.Setenv("AWS_REGION", region)
		if client, err := NewClient(t.Context(), zap.NewNop()); err != nil || client.Options().Region != region {
			t.Errorf("%s: %v", region, err)
		}
	}
	for region, advice := range map[string]string{
		"us-west-2a": "us-west-2?", "us-west-2\n": "us-west-2?", " us-west-2": "us-west-2?", "us-west-2\r\n": "us-west-2?", "US-WEST-2": "us-west-2?",
		`"us-west-2"`: "us-west-2?", "'us-west-2'": "us-west-2?", "us-west-2-lax-1a": "us-west-2?", "fips-us-west-2": "us-west-2?", "us-west-2\u00a0": "us-west-2?",
		" ": "give one", "\n": "give one", "\t\t": "give one", "us-west": "give one", "uswest2": "give one", "us_west_2": "give one", "us-west-": "give one",
		"aws-global": "give one", "2": "give one", "us-west-2.amazonaws.com": "us-west-2?", "\x1b[31m\xff": "give one", strings.Repeat("x", 1<<16): "give one",
	} {
		for _, setting := range []string{"AWS_REGION", "AWS_DEFAULT_REGION"} {
			environment(t, keys)
			t.Setenv(setting, region)
			_, err := NewClient(t.Context(), zap.NewNop())
			if err == nil || !strings.HasPrefix(err.Error(), setting+" is ") || !strings.Contains(err.Error(), advice) || !errors.Is(err, ErrRegion) {
				t.Errorf("%s=%.50q: %v; want %s", setting, region, err, advice)
			} else if strings.ContainsFunc(err.Error(), func(r rune) bool { return r < ' ' || r > '~' }) || len(err.Error()) > 200 {
				t.Errorf("%s=%.50q: %.300q", setting, region, err)
			}
		}
	}
	environment(t, keys)
	t.Setenv("AWS_PROFILE", "studio")
	t.Setenv("AWS_CONFIG_FILE", written(t, "[profile studio]\nregion = us-west-2a\n"))
	if _, err := NewClient(t.Context(), zap.NewNop()); err == nil || !strings.Contains(err.Error(), `region of the profile "studio" is "us-west-2a"`) {
		t.Errorf("profile: %v", err)
	}
}

// written writes a file with this text and returns its path.
func written(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// The authorities of AWS_CA_BUNDLE and of the profile's ca_bundle are trusted for Deadline Cloud and for STS.
func TestCABundle(t *testing.T) {
	world := newWorld(farmtest.Config{})
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost && r.URL.Path == "/" { // STS
			fmt.Fprintf(w, `<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult><Credentials><AccessKeyId>AKID</AccessKeyId>`+
				`<SecretAccessKey>SECRET</SecretAccessKey><SessionToken>TOKEN</SessionToken><Expiration>%s</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>`,
				time.Now().Add(time.Hour).UTC().Format(time.RFC3339))
			return
		}
		world.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	bundle := written(t, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})))
	role := "[default]\nrole_arn = arn:aws:iam::123456789012:role/r\nsource_profile = base\n%s\n[profile base]\naws_access_key_id = AKID\naws_secret_access_key = SECRET\n"
	for name, settings := range map[string]map[string]string{
		"AWS_CA_BUNDLE": {"AWS_CA_BUNDLE": bundle, "AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": "SECRET"},
		"ca_bundle":     {"AWS_CONFIG_FILE": written(t, fmt.Sprintf(role, "ca_bundle = "+bundle))},
		"STS":           {"AWS_CA_BUNDLE": bundle, "AWS_CONFIG_FILE": written(t, fmt.Sprintf(role, ""))},
		"none":          {"AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": "SECRET"},
	} {
		t.Run(name, func(t *testing.T) {
			environment(t, settings)
			for variable, value := range map[string]string{"AWS_REGION": "eu-west-1", "AWS_ENDPOINT_URL_DEADLINE": server.URL, "AWS_ENDPOINT_URL_STS": server.URL} {
				t.Setenv(variable, value)
			}
			client, err := NewClient(t.Context(), zap.NewNop())
			if err != nil {
				t.Fatal(err)
			}
			pooled := client.Options().HTTPClient.(*http.Client)
			defer pooled.CloseIdleConnections()
			if pooled.Timeout != requestTimeout || pooled.Transport.(*http.Transport).MaxConnsPerHost != connectionsPerHost {
				t.Error("the client lacks the settings of ClientOptions")
			}
			_, err = client.ListFarms(t.Context(), &deadline.ListFarmsInput{})
			if name == "none" {
				if err == nil || !strings.Contains(awserr.Describe(err).Error(), "AWS_CA_BUNDLE") {
					t.Errorf("without a bundle: %v", err)
				}
				return
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	for name, text := range map[string]string{"no PEM": "canary", "no file": ""} {
		environment(t, map[string]string{"AWS_REGION": "eu-west-1", "AWS_CA_BUNDLE": "/canary/canary"})
		if text != "" {
			t.Setenv("AWS_CA_BUNDLE", written(t, text))
		}
		if _, err := NewClient(t.Context(), zap.NewNop()); err == nil || !strings.HasPrefix(err.Error(), "AWS_CA_BUNDLE must name a file") || strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Credentials of a container are used until shortly before they expire.
func TestContainerCredentials(t *testing.T) {
	requests := 0
	var left time.Duration
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests++
		fmt.Fprintf(w, `{"AccessKeyId":"AKID","SecretAccessKey":"SECRET","Token":"TOKEN","Expiration":%q}`, time.Now().Add(left).UTC().Format(time.RFC3339))
	}))
	t.Cleanup(server.Close)
	for left = range map[time.Duration]bool{4 * time.Minute: true, time.Minute: true, 5 * time.Second: true, time.Hour: true} {
		environment(t, map[string]string{"AWS_REGION": "eu-west-1", "AWS_CONTAINER_CREDENTIALS_FULL_URI": server.URL})
		requests = 0
		client, err := NewClient(t.Context(), zap.NewNop())
		if err != nil {
			t.Errorf("%s left: %v", left, err)
			continue
		}
		for range 3 {
			if _, err := client.Options().Credentials.Retrieve(t.Context()); err != nil {
				t.Errorf("%s left: %v", left, err)
			}
		}
		if left > expiryWindow && requests != 1 {
			t.Errorf("%s left: %d requests for credentials", left, requests)
		}
	}
	left = -time.Minute
	environment(t, map[string]string{"AWS_REGION": "eu-west-1", "AWS_CONTAINER_CREDENTIALS_FULL_URI": server.URL})
	if _, err := NewClient(t.Context(), zap.NewNop()); !errors.Is(err, ErrCredentials) || !strings.Contains(err.Error(), "expired at") {
		t.Errorf("expired: %v", err)
	}
}

// encodings returns the forms in which a text may contain a secret.
func encodings(secret string) []string {
	all := []string{secret, hex.EncodeToString([]byte(secret)), strings.Trim(fmt.Sprint([]byte(secret)), "[]")}
	for shift := range 3 {
		encoded := base64.RawStdEncoding.EncodeToString([]byte("xx"[:shift%3] + secret))
		all = append(all, encoded[4:len(encoded)-4])
	}
	return all
}
