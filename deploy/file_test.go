//go:build unix

package deploy

import (
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"
)

// composeFile is what the tests know of compose.yaml.
type composeFile struct {
	Name     string
	Services map[string]composeService
}

type composeService struct {
	Build           struct{ Target string }
	Image, Restart  string
	Command         []string
	Environment     map[string]string
	Ports, Volumes  []string
	StopGracePeriod string `yaml:"stop_grace_period"`
}

// readFile reads compose.yaml with these variables.
func readFile(t *testing.T, variables map[string]string) (file composeFile) {
	t.Helper()
	text, err := os.ReadFile("compose.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal([]byte(interpolate(string(text), variables)), &file); err != nil {
		t.Fatal(err)
	}
	return file
}

// interpolate replaces variables as docker compose does, in the forms that compose.yaml uses: $$, ${NAME:-text}, ${NAME:+text}.
func interpolate(text string, variables map[string]string) string {
	innermost := regexp.MustCompile(`\$\{(\w+):([-+])([^{}]*)\}`)
	text = strings.ReplaceAll(text, "$$", "\x00")
	for innermost.MatchString(text) {
		text = innermost.ReplaceAllStringFunc(text, func(found string) string {
			part := innermost.FindStringSubmatch(found)
			value := variables[part[1]]
			if (value == "") == (part[2] == "-") {
				return part[3]
			}
			return value[:len(value)*strings.Count(part[2], "-")] // of :+ nothing
		})
	}
	return strings.ReplaceAll(text, "\x00", "$")
}

// image is what the tests know of an image that the Dockerfile makes.
type image struct {
	entryPoint  []string
	environment map[string]string
}

// readImages reads the images of the Dockerfile, by target. The last one has no name.
func readImages(t *testing.T) map[string]image {
	t.Helper()
	text, err := os.ReadFile("../Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	images := map[string]image{}
	for _, stage := range regexp.MustCompile(`(?m)^FROM `).Split(string(text), -1)[1:] {
		head, body, _ := strings.Cut(stage, "\n")
		_, name, _ := strings.Cut(head, " AS ")
		i := image{environment: map[string]string{}}
		for _, env := range regexp.MustCompile(`(?m)^ENV (\w+)=(.*)$`).FindAllStringSubmatch(body, -1) {
			i.environment[env[1]] = env[2]
		}
		if entry := regexp.MustCompile(`(?m)^ENTRYPOINT (.*)$`).FindStringSubmatch(body); entry != nil {
			if err := json.Unmarshal([]byte(entry[1]), &i.entryPoint); err != nil {
				t.Fatal(err)
			}
		}
		images[name] = i
	}
	return images
}

// One variable leads to real AWS: by the files in its folder, and by AWS's variables, which the simulation does not get. The
// volumes of the two are apart.
func TestAWS(t *testing.T) {
	mine := map[string]string{"AWS_PROFILE": "mine", "AWS_REGION": "us-west-2", "AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_SESSION_TOKEN": "token"}
	simulated := readFile(t, mine)
	want := map[string]string{"HOME": "/root"}
	for name := range mine {
		want[name] = ""
	}
	if d := cmp.Diff(want, simulated.Services["farmwire"].Environment); d != "" {
		t.Errorf("simulated (-want +got):\n%s", d)
	}
	if d := cmp.Diff([]string{"./simulated:/root/.aws:ro"}, simulated.Services["farmwire"].Volumes); d != "" {
		t.Errorf("simulated (-want +got):\n%s", d)
	}

	mine["AWS_HOME"] = "/home/me/.aws"
	real := readFile(t, mine)
	for name := range want {
		if name != "HOME" {
			want[name] = mine[name]
		}
	}
	if d := cmp.Diff(want, real.Services["farmwire"].Environment); d != "" {
		t.Errorf("with AWS_HOME (-want +got):\n%s", d)
	}
	if d := cmp.Diff([]string{"/home/me/.aws:/root/.aws:ro"}, real.Services["farmwire"].Volumes); d != "" {
		t.Errorf("with AWS_HOME (-want +got):\n%s", d)
	}
	if simulated.Name != "farmwire" || real.Name != "farmwire-aws" {
		t.Errorf("the names are %q and %q", simulated.Name, real.Name)
	}
}

// Nothing can be reached from other machines, everything comes back after a crash, and a stop waits for what the trigger runs.
func TestFile(t *testing.T) {
	const drain = 30 * time.Second
	images := readImages(t)
	file := readFile(t, nil)
	if len(file.Services) != 4 {
		t.Errorf("there are %d services", len(file.Services))
	}
	for name, s := range file.Services {
		for _, port := range s.Ports {
			if !strings.HasPrefix(port, "127.0.0.1:") {
				t.Errorf("%s has the port %s", name, port)
			}
		}
		if s.Restart != "unless-stopped" {
			t.Errorf("%s has the restart policy %q", name, s.Restart)
		}
		if name == "kafka" {
			if regexp.MustCompile(`:\d+\.\d+\.\d+$`).FindString(s.Image) == "" {
				t.Errorf("the image %s has no version", s.Image)
			}
		} else if images[s.Build.Target].entryPoint == nil {
			t.Errorf("%s has the target %q, which the Dockerfile does not make", name, s.Build.Target)
		}
	}
	if grace, err := time.ParseDuration(file.Services["trigger"].StopGracePeriod); err != nil || grace <= drain {
		t.Errorf("the trigger is killed after %s, %v", grace, err)
	}
}
