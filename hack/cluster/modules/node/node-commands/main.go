// Runs commands on a node for whoever holds the other end of the node's serial line, several at a time. Requests and
// replies are JSON objects, one a line. It needs no network, so that no packet of it is on the node's wire.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"syscall"
)

// request starts a command (Run), or feeds, closes or signals one that runs.
type request struct {
	ID     int      `json:"id"`
	Run    []string `json:"run"`
	Input  []byte   `json:"input"`
	Close  bool     `json:"close"`
	Signal int      `json:"signal"`
}

// reply carries a piece of output, or the exit code, which is the last one of its command.
type reply struct {
	ID     int    `json:"id"`
	Stdout []byte `json:"stdout,omitempty"`
	Stderr []byte `json:"stderr,omitempty"`
	Code   *int   `json:"code,omitempty"`
}

// A request is a line of at most this many bytes; what is longer is none.
const longestRequest = 16 << 20

// A piece of output; small enough for several commands to take turns on the line.
const pieceBytes = 8 << 10

type line struct {
	mutex   sync.Mutex
	encoder *json.Encoder
}

func (l *line) send(r reply) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	if err := l.encoder.Encode(r); err != nil {
		fmt.Fprintln(os.Stderr, "node-commands: the line is gone:", err)
		os.Exit(1)
	}
}

type running struct {
	input   chan []byte
	process *os.Process
}

func main() {
	answers := &line{encoder: json.NewEncoder(os.Stdout)}
	var mutex sync.Mutex
	commands := map[int]*running{}
	scanner := bufio.NewScanner(os.Stdin)
	scanner.Buffer(make([]byte, 0, 64<<10), longestRequest)
	// The other end waits for this before it sends anything.
	answers.send(reply{ID: 0})
	for scanner.Scan() {
		var r request
		if err := json.Unmarshal(scanner.Bytes(), &r); err != nil {
			fmt.Fprintln(os.Stderr, "node-commands: not a request:", err)
			continue
		}
		mutex.Lock()
		if len(r.Run) > 0 {
			if started := start(r, answers, func() {
				mutex.Lock()
				delete(commands, r.ID)
				mutex.Unlock()
			}); started != nil {
				commands[r.ID] = started
			}
		}
		command := commands[r.ID]
		mutex.Unlock()
		if command == nil {
			continue
		}
		if len(r.Input) > 0 {
			command.input <- r.Input
		}
		if r.Close {
			close(command.input)
		}
		if r.Signal > 0 {
			// Its whole group: what a shell has started, too.
			_ = syscall.Kill(-command.process.Pid, syscall.Signal(r.Signal))
		}
	}
}

// start runs a command and answers with its output; over is called before its code is sent.
func start(r request, answers *line, over func()) *running {
	command := exec.Command(r.Run[0], r.Run[1:]...)
	command.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	stdin, _ := command.StdinPipe()
	stdout, _ := command.StdoutPipe()
	stderr, _ := command.StderrPipe()
	if err := command.Start(); err != nil {
		code := 127
		answers.send(reply{ID: r.ID, Stderr: []byte(err.Error() + "\n"), Code: &code})
		return nil
	}
	// As long as a request may be, so that one command that does not read does not hold up the others.
	started := &running{input: make(chan []byte, 256), process: command.Process}
	go func() {
		for piece := range started.input {
			// A command may end before it has read everything.
			_, _ = stdin.Write(piece)
		}
		_ = stdin.Close()
	}()
	var output sync.WaitGroup
	output.Go(func() { carry(stdout, func(piece []byte) { answers.send(reply{ID: r.ID, Stdout: piece}) }) })
	output.Go(func() { carry(stderr, func(piece []byte) { answers.send(reply{ID: r.ID, Stderr: piece}) }) })
	go func() {
		output.Wait()
		code := exitCode(command.Wait())
		over()
		answers.send(reply{ID: r.ID, Code: &code})
	}()
	return started
}

func carry(from io.Reader, send func([]byte)) {
	buffer := make([]byte, pieceBytes)
	for {
		count, err := from.Read(buffer)
		if count > 0 {
			send(buffer[:count])
		}
		if err != nil {
			return
		}
	}
}

// exitCode is the command's, as a shell gives it: 128 + n for signal n.
func exitCode(err error) int {
	var exit *exec.ExitError
	if err == nil {
		return 0
	}
	if !errors.As(err, &exit) {
		return 126
	}
	if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return 128 + int(status.Signal())
	}
	return exit.ExitCode()
}
