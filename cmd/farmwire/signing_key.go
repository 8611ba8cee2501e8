package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/mod/sumdb/note"

	"farmwire/cluster"
)

// maxSigners is how many keys sign: the one that is used, and its successor while it is replaced.
const maxSigners = 2

// readSigners reads the signing keys from files. An error quotes neither a text nor the name of a file, which may be the key
// itself.
func readSigners(files []string) ([]note.Signer, error) {
	if len(files) > maxSigners {
		return nil, errors.New("--signing-key-file: give one file, or two while a key is replaced")
	}
	var signers []note.Signer
	for _, file := range files {
		s, err := readSigner(file)
		if err != nil {
			return nil, err
		}
		if len(signers) > 0 && signers[0].Name() == s.Name() && signers[0].KeyHash() == s.KeyHash() {
			return nil, errors.New("--signing-key-file: both files hold the same key")
		}
		signers = append(signers, s)
	}
	return signers, nil
}

func readSigner(file string) (note.Signer, error) {
	const cure = "make one by farmwire audit keygen"
	info, err := os.Stat(file)
	if err != nil {
		return nil, fmt.Errorf("--signing-key-file must name a file that holds a signing key: the file %s; %s", cluster.Unreadable(err), cure)
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return nil, fmt.Errorf("--signing-key-file: others may read the file or write to it (its mode is %#o): take the key for known, make another one, and give its file the mode 0600", mode)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("--signing-key-file must name a file that holds a signing key: the file %s; %s", cluster.Unreadable(err), cure)
	}
	s, err := note.NewSigner(strings.TrimSpace(string(text)))
	if err != nil {
		return nil, errors.New("--signing-key-file: the file holds no signing key; " + cure)
	}
	return s, nil
}
