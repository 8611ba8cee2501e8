package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"farmwire/cluster"
)

// password is the SASL password, or the reason why there is none that can be used.
type password struct {
	value cluster.Secret
	wrong error
}

// readPassword reads the password from a file, or from the environment if no file is named. The error says where it looked.
// It quotes neither the text nor the name of the file, which may be the password itself.
func readPassword(file string) password {
	value, source := cluster.Secret(os.Getenv("FARMWIRE_SASL_PASSWORD")), "FARMWIRE_SASL_PASSWORD"
	if file != "" {
		text, err := os.ReadFile(file)
		if err != nil {
			// The value is the name, so that it is removed from all output.
			return password{cluster.Secret(file), fmt.Errorf("--sasl-password-file must name a file that holds the password: the file %s", cluster.Unreadable(err))}
		}
		value, source = cluster.Secret(strings.TrimRight(string(text), "\r\n")), "the file of --sasl-password-file"
		if value == "" {
			return password{wrong: errors.New("the file of --sasl-password-file is empty: write the password into it")}
		}
	}
	if err := value.Validate(); err != nil {
		return password{value, fmt.Errorf("the password in %s %w", source, err)}
	}
	return password{value: value}
}
