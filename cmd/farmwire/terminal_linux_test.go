package main

import (
	"bytes"
	"fmt"
	"os"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// openTerminal opens a pseudo-terminal of 80 columns: its two ends, of which the second is a terminal for a process.
func openTerminal(t *testing.T) (screen, terminal *os.File) {
	t.Helper()
	screen, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Skip("there are no pseudo-terminals:", err)
	}
	t.Cleanup(func() { screen.Close() })
	control := func(request uintptr, argument unsafe.Pointer) {
		if _, _, number := syscall.Syscall(syscall.SYS_IOCTL, screen.Fd(), request, uintptr(argument)); number != 0 {
			t.Fatal(number)
		}
	}
	var locked, number int32
	control(syscall.TIOCSPTLCK, unsafe.Pointer(&locked))
	control(syscall.TIOCGPTN, unsafe.Pointer(&number))
	resizeTerminal(t, screen, 80)
	terminal, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { terminal.Close() })
	return screen, terminal
}

// resizeTerminal gives a pseudo-terminal another width.
func resizeTerminal(t *testing.T, screen *os.File, columns int) {
	t.Helper()
	if err := unix.IoctlSetWinsize(int(screen.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 40, Col: uint16(columns)}); err != nil {
		t.Fatal(err)
	}
}

// On a terminal a dry run prints events for people, with colours, and no line of JSON.
func TestDryRunOnATerminal(t *testing.T) {
	screen, terminal := openTerminal(t)
	var log bytes.Buffer
	cmd := dryRun(t)
	cmd.Env = append(cmd.Env, "TERM=xterm")
	cmd.Stdout, cmd.Stderr = terminal, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill() })

	seen, shown := make(chan struct{}), make(chan string)
	go func() {
		var text strings.Builder
		piece := make([]byte, 1<<16)
		for complete := false; ; {
			n, err := screen.Read(piece)
			text.Write(piece[:n])
			const ended = "\x1b[1mended" // in bold
			if !complete && strings.Count(text.String(), ended) >= 300 && strings.Contains(text.String(), "STARTED") {
				complete = true
				close(seen)
			}
			if err != nil {
				shown <- text.String()
				return
			}
		}
	}()
	select {
	case <-seen:
	case <-time.After(3 * time.Minute):
		t.Error("the events do not come")
	}
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("%v\n%s", err, &log)
	}
	terminal.Close() // so that the screen has an end
	text := <-shown
	for _, want := range []string{`known .*exact: told by the service`, `(?m)^\S*UTC .*known .*worker`, `(?m)^\d\d:\d\d:\d\d .*before .*discovered.*STARTED`} {
		if !regexp.MustCompile(want).MatchString(text) {
			t.Errorf("nothing on the screen matches %s", want)
		}
	}
	if strings.Contains(text, "{") || strings.Contains(text, "delay") || !strings.Contains(text, "\x1b[") {
		t.Error("the screen has JSON, a delay, or no colours")
	}
	if strings.Contains(log.String(), `"session discovered"`) || !strings.Contains(log.String(), "Seen: ") {
		t.Errorf("log:\n%s", &log)
	}
	if t.Failed() {
		t.Logf("screen:\n%s", text)
	}
}

// On a terminal a tail prints for people, in its colours and width, also when that changes. It ends when the terminal is gone.
func TestTailOnATerminal(t *testing.T) {
	p := newTailing(t)
	screen, terminal := openTerminal(t)
	p.cmd.Env = append(p.cmd.Env, "TERM=xterm")
	p.cmd.Stdout = terminal
	p.start()
	var text strings.Builder
	until := func(what string) string {
		t.Helper()
		text.Reset()
		late := time.AfterFunc(3*time.Minute, func() { p.cmd.Process.Kill(); terminal.Close() }) // so that the screen has an end
		defer late.Stop()
		for piece := make([]byte, 1<<12); !regexp.MustCompile(what).MatchString(text.String()); {
			n, err := screen.Read(piece)
			text.Write(piece[:n])
			if err != nil {
				t.Fatalf("%v, and nothing on the screen matches %s:\n%s%s", err, what, text.String(), &p.log)
			}
		}
		return text.String()
	}
	shown := until(`worker\s*\S*\r\n`)
	if !strings.Contains(shown, "deadline.sessions.events from now") || !strings.Contains(shown, "\x1b[2m known") {
		t.Errorf("at first:\n%s", shown)
	}
	p.publish(recordOf(began(1, 1), "render-0001", 0))
	if shown := until(`render-0001\S*\r\n`); !strings.Contains(shown, "23:59:40 ") {
		t.Errorf("on 80 columns:\n%s", shown)
	}
	resizeTerminal(t, screen, 200)
	p.publish(recordOf(began(2, 2), "render-0002", 0))
	if shown := until(`session-\S*\r\n`); !strings.Contains(shown, "session id") || !strings.Contains(shown, "23:59:41.600 ") || !strings.Contains(shown, "│") {
		t.Errorf("on 200 columns:\n%s", shown)
	}
	terminal.Close()
	screen.Close()
	p.wantEnd()
}
