package main

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"golang.org/x/mod/sumdb/note"

	"farmwire/cluster"
)

type auditKeygenCmd struct {
	Name string `placeholder:"NAME" help:"Give the keys this name, such as farmwire-2026. Signatures name it, so that a key can be replaced."`
	Out  string `default:"farmwire-signing.key" help:"Write the private key into this file, which must not exist. It is the file of run's --signing-key-file. Keep it away from Kafka."`
}

// Run makes the keys. It writes the private one to the file, and prints the public one.
func (c *auditKeygenCmd) Run(std *streams) error {
	private, public, err := note.GenerateKey(rand.Reader, c.Name)
	if err != nil {
		return err
	}
	if _, err := note.NewVerifier(public); err != nil {
		return usageError{errors.New("--name must be given, without blanks and without a plus sign")}
	}
	if err := writeNew(c.Out, private+"\n"); err != nil {
		return err
	}
	_, err = fmt.Fprintln(std.out, public)
	return err
}

// writeNew writes a text to a new file that only its owner can read.
func writeNew(path, text string) error {
	const ownerOnly = 0o600
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, ownerOnly)
	if errors.Is(err, fs.ErrExist) {
		return usageError{errors.New("the file of --out exists: a key is never overwritten, because without it nobody can sign on; give another name")}
	}
	if err != nil {
		return fmt.Errorf("--out: the file %s", cluster.Unreadable(err))
	}
	_, err = file.WriteString(text)
	if err := errors.Join(err, file.Sync(), file.Close()); err != nil {
		return errors.Join(fmt.Errorf("write the file of --out: %w", err), os.Remove(path))
	}
	return nil
}
