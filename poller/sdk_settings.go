package poller

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"regexp"
	"strconv"
	"strings"

	"farmwire/poller/awserr"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
)

// settings is what the SDK has read from the environment and the profile.
type settings struct {
	env     config.EnvConfig
	profile config.SharedConfig
}

func settingsOf(cfg aws.Config) (s settings) {
	for _, source := range cfg.ConfigSources {
		switch c := source.(type) {
		case config.EnvConfig:
			s.env = c
		case config.SharedConfig:
			s.profile = c
		}
	}
	return s
}

// profileName returns the name of the profile that is used.
func profileName() string {
	for _, name := range []string{"AWS_PROFILE", "AWS_DEFAULT_PROFILE"} {
		if value := os.Getenv(name); value != "" {
			return value
		}
	}
	return config.DefaultSharedConfigProfile
}

// quoted quotes a name from the configuration. It hides a name that may be a key or a password, which was
// written in the wrong place.
func quoted(name string) string {
	if regexp.MustCompile(`^[A-Za-z0-9_.@-]{1,32}$`).MatchString(name) {
		return strconv.Quote(name)
	}
	return `"…"`
}

// firstSet names the first of the variables that is set or, if none is, the setting in the profile.
func firstSet(setting string, variables ...string) string {
	for _, name := range variables {
		if os.Getenv(name) != "" {
			return name
		}
	}
	return fmt.Sprintf("%s of the profile %s", setting, quoted(profileName()))
}

// checkRegion refuses what is not the name of a region, such as an availability zone. Otherwise the name would
// become part of every event's source and of the state topic before anybody notices. It accepts regions
// that do not exist yet, because their names will have the same form.
func checkRegion(region string) error {
	if region == "" {
		return ErrRegion
	}
	if words := regionWords(firstSet("region", "AWS_REGION", "AWS_DEFAULT_REGION"), region); words != "" {
		return awserr.New(words, ErrRegion)
	}
	return nil
}

// regionWords describes why a setting is not the name of a region. It is empty if it is one.
func regionWords(setting, region string) string {
	const form = `[a-z]+(-[a-z]+)+-[0-9]{1,2}`
	isPseudo := strings.HasPrefix(region, "fips-") // the SDK accepts fips-us-west-2 as another name of us-west-2
	if regexp.MustCompile(`^`+form+`$`).MatchString(region) && !isPseudo {
		return ""
	}
	short := regexp.MustCompile(`^[A-Za-z0-9_-]{1,15}$`).MatchString(region)
	advice := "give one such as us-west-2"
	if meant := regexp.MustCompile(form).FindString(strings.TrimPrefix(strings.ToLower(region), "fips-")); meant != "" {
		advice, short = "did you mean "+meant+"?", len(region) < 30
	}
	if !short { // it may be a key in the wrong place
		return fmt.Sprintf("%s is not the name of a region; %s", setting, advice)
	}
	return fmt.Sprintf("%s is %q, which is not the name of a region; %s", setting, region, advice)
}

// checkEndpoint refuses a custom endpoint or a proxy to which no request can be sent. The error quotes
// neither, because both may have a password in them.
func checkEndpoint(endpoint string) error {
	if endpoint == "" {
		return checkProxy("https")
	}
	name := firstSet("endpoint_url", "AWS_ENDPOINT_URL_DEADLINE", "AWS_ENDPOINT_URL")
	u, err := url.Parse(endpoint)
	switch {
	case strings.ContainsFunc(endpoint, isDisallowed):
		return fmt.Errorf("%s has a line break, a space or another character that is not allowed in a URL; give a URL such as https://host:port", name)
	case !strings.Contains(endpoint, "://"):
		return fmt.Errorf("%s has no scheme; give a URL such as https://host:port", name)
	case err != nil || u.Hostname() == "" || u.Scheme != "http" && u.Scheme != "https":
		return fmt.Errorf("%s is not the URL of a web service; give one such as https://host:port", name)
	}
	return checkProxy(u.Scheme)
}

// checkProxy refuses a proxy that is not a URL.
func checkProxy(scheme string) error {
	// The standard library would ignore an invalid URL and use no proxy.
	name := strings.ToUpper(scheme) + "_PROXY"
	value := cmp.Or(os.Getenv(name), os.Getenv(strings.ToLower(name)))
	if value == "" {
		return nil
	}
	if !strings.Contains(value, "://") {
		value = "http://" + value
	}
	if u, err := url.Parse(value); err != nil || u.Hostname() == "" || strings.ContainsFunc(value, isDisallowed) {
		return fmt.Errorf("%s is not the URL of a proxy; give one such as http://host:port, and write characters of a password other than letters and digits as %%xx", name)
	}
	return nil
}

// isDisallowed reports whether a character is not allowed in a header, a key or a URL.
func isDisallowed(r rune) bool { return r <= ' ' || r > '~' }

// loadError describes which setting keeps the SDK from loading its configuration.
func loadError(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if words := profileError(err); words != "" {
		return awserr.New(words+brokenLines(), err)
	}
	text, variable := err.Error(), regexp.MustCompile(`\bAWS_[A-Z0-9_]+`).FindString(err.Error())
	key := regexp.MustCompile(`failed to load ([a-z0-9_]+) from shared config`).FindStringSubmatch(text)
	words := fmt.Sprintf("the AWS configuration can't be used; check the AWS_ variables and the profile %s", quoted(profileName()))
	switch {
	case strings.Contains(text, "CA bundle") || errors.As(err, new(*fs.PathError)):
		words = firstSet("ca_bundle", "AWS_CA_BUNDLE") + " must name a file with PEM certificates" + because(err)
	case strings.Contains(text, "cred provider URL"), strings.Contains(text, "loopback/ecs/eks"), strings.Contains(text, "invalid URL"), strings.Contains(text, "failed to resolve host"):
		words = "AWS_CONTAINER_CREDENTIALS_FULL_URI must be a URL with https, or one with http whose host is this host or the container's own"
	case strings.Contains(text, "role ARN is not set"):
		words = firstSet("role_arn", "AWS_WEB_IDENTITY_TOKEN_FILE") + " needs a role; set AWS_ROLE_ARN, or role_arn in the profile"
	case variable != "" && os.Getenv(variable) != "":
		words = variable + " has a value that the AWS SDK does not accept"
	case key != nil:
		words = fmt.Sprintf("%s of the profile %s has a value that the AWS SDK does not accept", key[1], quoted(profileName()))
	}
	return awserr.New(words, err)
}

// profileError describes what is wrong with the profile. It is empty if the error is about something else.
func profileError(err error) string {
	profile := profileName()
	if e, ok := errors.AsType[config.SharedConfigAssumeRoleError](err); ok {
		return fmt.Sprintf("the profile %s names the source_profile %s, which does not exist or has no credentials", quoted(profile), quoted(e.Profile))
	}
	if errors.As(err, new(config.SharedConfigProfileNotExistError)) {
		return fmt.Sprintf("there is no profile %s in the AWS configuration; check %s", quoted(profile), firstSet("the name", "AWS_PROFILE", "AWS_DEFAULT_PROFILE"))
	}
	if e, ok := errors.AsType[config.CredentialRequiresARNError](err); ok {
		return fmt.Sprintf("the profile %s needs a role_arn with its %s", quoted(e.Profile), e.Type)
	}
	if errors.As(err, new(config.AssumeRoleTokenProviderNotSetError)) {
		return fmt.Sprintf("the profile %s asks for an MFA code (mfa_serial), which cannot be entered here; use another profile, for example one of aws sso login", quoted(profile))
	}
	for text, words := range map[string]string{
		"partial credentials":      "has only one of aws_access_key_id and aws_secret_access_key",
		"only one credential type": "has more than one of source_profile, credential_source, credential_process and web_identity_token_file",
		"credential_source values": "has a credential_source that is none of EcsContainer, Ec2InstanceMetadata and Environment",
		"EcsContainer was":         "has credential_source = EcsContainer, but this is not a container: AWS_CONTAINER_CREDENTIALS_RELATIVE_URI and _FULL_URI are not set",
		"SSO session section":      "names an sso_session that does not exist",
		"configured to use SSO":    "lacks settings for SSO: sso_start_url, sso_region, sso_account_id and sso_role_name are needed",
		"must match":               "and its sso_session have different settings for SSO",
	} {
		if strings.Contains(err.Error(), text) {
			return fmt.Sprintf("the profile %s %s", quoted(profile), words)
		}
	}
	return ""
}

// because returns the operating system's reason why a file could not be read, after a colon. It leaves out the
// name of the file, which may be a secret that was written in the wrong place.
func because(err error) string {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return ": " + e.Err.Error()
	}
	return ""
}

// brokenLines describes the files of the AWS configuration that cannot be read, and the first line of each
// file that the SDK ignores silently.
func brokenLines() string {
	var words strings.Builder
	for _, place := range [...]struct{ variable, file string }{
		{"AWS_CONFIG_FILE", config.DefaultSharedConfigFilename()}, {"AWS_SHARED_CREDENTIALS_FILE", config.DefaultSharedCredentialsFilename()},
	} {
		file, name := place.file, place.file
		if path := os.Getenv(place.variable); path != "" {
			file, name = path, "the file that "+place.variable+" names"
		}
		text, err := os.ReadFile(file)
		switch line := brokenLine(text); {
		case err != nil && (name != file || !errors.Is(err, fs.ErrNotExist)):
			fmt.Fprintf(&words, "; %s can't be read%s", name, because(err))
		case line > 0:
			fmt.Fprintf(&words, "; line %d of %s is neither a [section] nor name = value", line, name)
		}
	}
	return words.String()
}

// brokenLine returns the number of the first line that is not a comment, a section, a setting, or the
// continuation of a setting. It is 0 if there is none.
func brokenLine(text []byte) int {
	good := regexp.MustCompile(`^\s*([#;].*)?$|^\s*\[[^\[\]]+\]\s*([#;].*)?$`)
	setting := regexp.MustCompile(`^[^\s=]+[ \t]*=|^[ \t]+\S`)
	inSection := false
	for i, line := range bytes.Split(text, []byte("\n")) {
		line = bytes.TrimRight(line, "\r")
		switch {
		case good.Match(line):
			inSection = inSection || bytes.ContainsRune(line, '[')
		case !inSection || !setting.Match(line):
			return i + 1
		}
	}
	return 0
}
