package kafkatest

import (
	"bytes"
	"context"
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

//go:embed pom.xml
var pom []byte

// Version is the version of Apache Kafka that is used by default.
const Version = "4.3.1"

// pomOf returns the pom.xml for a version of Apache Kafka.
func pomOf(version string) []byte {
	return bytes.ReplaceAll(pom, []byte("KAFKA_VERSION"), []byte(version))
}

// jars returns the folder with the jars of a version. At first use Maven downloads them. A lock makes concurrent
// programs wait for each other. The folder is complete as soon as it exists, because it is renamed into place.
func jars(ctx context.Context, version string) (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find a folder for Apache Kafka's jars: %w", err)
	}
	folder := filepath.Join(cache, "farmwire", "kafka-"+version)
	if upToDate(folder, version) {
		return folder, nil
	}
	if err := os.MkdirAll(filepath.Dir(folder), 0o755); err != nil {
		return "", fmt.Errorf("make a folder for Apache Kafka's jars: %w", err)
	}
	lock, err := os.OpenFile(folder+".lock", os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return "", fmt.Errorf("lock the folder of Apache Kafka's jars: %w", err)
	}
	defer lock.Close()
	if err := lockFile(lock); err != nil {
		return "", fmt.Errorf("lock the folder of Apache Kafka's jars: %w", err)
	}
	if upToDate(folder, version) {
		return folder, nil // another program downloaded it meanwhile
	}
	if err := download(ctx, folder, version); err != nil {
		return "", fmt.Errorf("download Apache Kafka %s: %w", version, err)
	}
	return folder, nil
}

// upToDate reports whether the folder has the jars of the current pom.xml.
func upToDate(folder, version string) bool {
	present, err := os.ReadFile(filepath.Join(folder, "pom.xml"))
	return err == nil && bytes.Equal(present, pomOf(version))
}

func download(ctx context.Context, folder, version string) error {
	fresh, err := os.MkdirTemp(filepath.Dir(folder), "download-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(fresh)
	file := filepath.Join(fresh, "pom.xml")
	if err := os.WriteFile(file, pomOf(version), 0o644); err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, "mvn", "-q", "-B", "-f", file, "dependency:copy-dependencies",
		"-DincludeScope=runtime", "-DoutputDirectory="+fresh)
	if output, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("needs Maven (mvn) on the PATH, or FARMWIRE_TEST_KAFKA=host:port of a running broker: %w\n%s", err, output)
	}
	if err := os.RemoveAll(folder); err != nil { // it may have the jars of an older pom.xml
		return err
	}
	if err := os.Chmod(fresh, 0o755); err != nil {
		return err
	}
	return os.Rename(fresh, folder)
}
