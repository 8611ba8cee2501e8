package poller

import (
	"errors"
	"net/http"
	"path/filepath"
	"testing"

	"farmwire/poller/farmtest"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/deadline"
	"go.uber.org/zap"
)

// environment sets the AWS variables to these settings, and clears the others.
func environment(t *testing.T, settings map[string]string) {
	t.Helper()
	none := filepath.Join(t.TempDir(), "none")
	all := map[string]string{
		"AWS_REGION": "", "AWS_DEFAULT_REGION": "", "AWS_PROFILE": "", "AWS_CONFIG_FILE": none, "AWS_SHARED_CREDENTIALS_FILE": none,
		"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_SESSION_TOKEN": "", "AWS_EC2_METADATA_DISABLED": "true",
		"AWS_ENDPOINT_URL_DEADLINE": "", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "", "AWS_CONTAINER_CREDENTIALS_FULL_URI": "",
		"AWS_CONTAINER_AUTHORIZATION_TOKEN": "", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": "", "AWS_WEB_IDENTITY_TOKEN_FILE": "", "AWS_ROLE_ARN": "",
		"AWS_DEFAULT_PROFILE": "", "AWS_CA_BUNDLE": "", "AWS_ENDPOINT_URL_STS": "", "HOME": filepath.Dir(none),
	}
	for name, value := range settings {
		all[name] = value
	}
	for name, value := range all {
		t.Setenv(name, value)
	}
}

func TestClientFromTheEnvironment(t *testing.T) {
	world := newWorld(farmtest.Config{})
	world.serve(t)
	environment(t, map[string]string{
		"AWS_REGION": "eu-west-1", "AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": "SECRET",
		"AWS_ENDPOINT_URL_DEADLINE": world.URL(),
	})
	client, err := NewClient(t.Context(), zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	if got := client.Options().Region; got != "eu-west-1" {
		t.Errorf("region %q", got)
	}
	defer client.Options().HTTPClient.(*http.Client).CloseIdleConnections()
	world.SetFaults(farmtest.Fault{Kind: farmtest.ServerError, Count: 1})
	if _, err := client.ListFarms(t.Context(), &deadline.ListFarmsInput{}); err == nil {
		t.Error("the SDK repeated the request")
	}
	out, err := client.ListFarms(t.Context(), &deadline.ListFarmsInput{})
	if err != nil || len(out.Farms) != 1 || aws.ToString(out.Farms[0].FarmId) != world.farm.ID() {
		t.Errorf("farms %v, %v", out, err)
	}
}

func TestClientWithoutSettings(t *testing.T) {
	for name, c := range map[string]struct {
		settings map[string]string
		want     error
	}{
		"no region":      {map[string]string{"AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": "SECRET"}, ErrRegion},
		"no credentials": {map[string]string{"AWS_REGION": "eu-west-1"}, ErrCredentials},
	} {
		t.Run(name, func(t *testing.T) {
			environment(t, c.settings)
			if _, err := NewClient(t.Context(), zap.NewNop()); !errors.Is(err, c.want) {
				t.Errorf("error %v, want %v", err, c.want)
			}
		})
	}
}
