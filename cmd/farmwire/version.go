package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
)

// version is set by the build: -ldflags "-X main.version=v1.2.3".
var version string

type versionCmd struct{}

// Run prints the version, the Go version and the platform.
func (versionCmd) Run(std *streams) error {
	_, err := fmt.Fprintf(std.out, "farmwire %s %s %s/%s\n", versionText(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return err
}

// versionText is the version that was stamped, else the one that the Go tool recorded in the binary.
func versionText() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}
