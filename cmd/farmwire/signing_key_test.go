package main

import (
	"crypto/rand"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"
)

func TestReadSigners(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil { // whatever the umask is
			t.Fatal(err)
		}
		return path
	}
	key := func() (private, public string) {
		private, public, err := note.GenerateKey(rand.Reader, "studio")
		if err != nil {
			t.Fatal(err)
		}
		return private, public
	}
	first, public := key()
	second, _ := key()
	old, successor := write("old", first+"\n", 0o600), write("new", second, 0o400)
	signers, err := readSigners([]string{old, successor})
	if err != nil || len(signers) != 2 || signers[0].Name() != "studio" {
		t.Fatalf("%v, %v", signers, err)
	}
	if none, err := readSigners(nil); len(none) != 0 || err != nil {
		t.Errorf("without a file: %v, %v", none, err)
	}
	for name, tc := range map[string]struct {
		files []string
		says  string
	}{
		"readable by the group": {[]string{write("group", first, 0o640)}, "mode is 0640"},
		"readable by all":       {[]string{write("all", first, 0o604)}, "mode is 0604"},
		"missing":               {[]string{filepath.Join(dir, "missing")}, "no such file"},
		"no file":               {[]string{first}, "must name a file"},
		"a public key":          {[]string{write("public", public, 0o600)}, "holds no signing key"},
		"a cut key":             {[]string{write("cut", first[:len(first)-4], 0o600)}, "holds no signing key"},
		"an empty file":         {[]string{write("empty", "", 0o600)}, "holds no signing key"},
		"twice the same":        {[]string{old, write("again", first, 0o600)}, "the same key"},
		"three":                 {[]string{old, successor, old}, "give one file, or two"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := readSigners(tc.files)
			if err == nil || !strings.Contains(err.Error(), tc.says) {
				t.Fatalf("%v, want %q", err, tc.says)
			}
			for _, secret := range []string{first, first[:len(first)-4], second, dir} {
				if strings.Contains(err.Error(), secret) {
					t.Errorf("the error quotes what may be a key: %v", err)
				}
			}
		})
	}
}
