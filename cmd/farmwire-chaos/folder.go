package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"farmwire/cmd/command"
)

// inFolder runs a campaign with a new folder for its files. It removes the folder if all is good or the campaign was interrupted,
// unless the files are to be kept; otherwise it says where they are. It returns [command.ErrReported] if not all is good.
func inFolder(ctx context.Context, out io.Writer, keep bool, campaign func(dir string) (good bool, err error)) error {
	dir, err := os.MkdirTemp("", "farmwire-chaos-")
	if err != nil {
		return err
	}
	good, err := campaign(dir)
	if err == nil {
		err = ctx.Err()
	}
	if (err == nil && good || ctx.Err() != nil) && !keep {
		return errors.Join(err, os.RemoveAll(dir))
	}
	fmt.Fprintln(out, "its files are in", dir)
	if err == nil && !good {
		return command.ErrReported
	}
	return err
}
