package main

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// counts are those of hack/lab/traffic/sequence-counter.ts.
type counts struct {
	Received     int   `json:"received"`
	Duplicated   int   `json:"duplicated"`
	Reordered    int   `json:"reordered"`
	LongestGapMs int64 `json:"longestGapMs"`
}

type receiver struct {
	mutex   sync.Mutex
	seen    map[uint64]bool
	highest int64
	lastAt  time.Time
	gap     time.Duration
	counts  counts
}

func (r *receiver) add(sequence uint64, at time.Time) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	if r.seen[sequence] {
		r.counts.Duplicated++
		return
	}
	r.seen[sequence] = true
	r.counts.Received++
	if int64(sequence) < r.highest {
		r.counts.Reordered++
	}
	r.highest = max(r.highest, int64(sequence))
	if !r.lastAt.IsZero() {
		r.gap = max(r.gap, at.Sub(r.lastAt))
	}
	r.lastAt = at
}

// stream sends numbered datagrams to its peer and counts the peer's. It says "ready", starts at the line "go", stops
// sending at "stop" and says its counts at "report".
func stream(words []string) {
	flags := flag.NewFlagSet("stream", flag.ExitOnError)
	local := flags.String("local", "", "own address")
	remote := flags.String("remote", "", "the peer's address")
	port := flags.Int("port", 7000, "UDP port at both ends")
	rate := flags.Int("rate", 100, "datagrams a second")
	size := flags.Int("size", 64, "bytes of payload")
	_ = flags.Parse(words)
	own := &net.UDPAddr{IP: net.ParseIP(*local), Port: *port}
	peer := &net.UDPAddr{IP: net.ParseIP(*remote), Port: *port}
	if own.IP == nil || peer.IP == nil || *rate < 1 {
		fail("stream needs --local and --remote addresses and a positive --rate")
	}
	// Connected, so that the kernel answers at once when it refuses a datagram.
	socket, err := net.DialUDP("udp", own, peer)
	if err != nil {
		fail("%v", err)
	}
	_ = socket.SetReadBuffer(64 << 20)
	received := &receiver{seen: map[uint64]bool{}, highest: -1}
	go receive(socket, received)
	fmt.Println("ready")
	stop, stopped := make(chan struct{}), make(chan struct{})
	attempted, refused := 0, map[string]int{}
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		switch lines.Text() {
		case "go":
			go func() {
				attempted = send(socket, *rate, max(8, *size), refused, stop)
				close(stopped)
			}()
		case "stop":
			close(stop)
			<-stopped
			say("stopped", map[string]any{"attempted": attempted, "refused": refused})
		case "report":
			received.mutex.Lock()
			received.counts.LongestGapMs = received.gap.Milliseconds()
			say("report", received.counts)
			return
		}
	}
}

func receive(socket *net.UDPConn, received *receiver) {
	buffer := make([]byte, 64<<10)
	for {
		count, err := socket.Read(buffer)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		// Another error is an ICMP one for what was sent; that datagram is missing at the other end.
		if err == nil && count >= 8 {
			received.add(binary.BigEndian.Uint64(buffer), time.Now())
		}
	}
}

// send sends as many datagrams as are due by the rate; after a pause of the whole machine not all at once, for which the
// receiver's buffer has no room. It wakes no oftener than something is due: in a guest that costs more than sending does.
func send(socket *net.UDPConn, rate, size int, refused map[string]int, stop <-chan struct{}) int {
	const most = 10
	started, attempted := time.Now(), 0
	payload := make([]byte, size)
	for ticker := time.NewTicker(max(5*time.Millisecond, time.Second/time.Duration(rate))); ; {
		select {
		case <-stop:
			ticker.Stop()
			return attempted
		case <-ticker.C:
		}
		due := int(time.Since(started).Seconds() * float64(rate))
		for end := min(due, attempted+most); attempted < end; attempted++ {
			binary.BigEndian.PutUint64(payload, uint64(attempted))
			if _, err := socket.Write(payload); err != nil {
				refused[nameOf(err)]++
			}
		}
	}
}

func nameOf(err error) string {
	var number syscall.Errno
	if !errors.As(err, &number) {
		return err.Error()
	}
	switch number {
	case syscall.EPERM:
		return "EPERM"
	case syscall.ECONNREFUSED:
		return "ECONNREFUSED"
	case syscall.EHOSTUNREACH:
		return "EHOSTUNREACH"
	case syscall.ENETUNREACH:
		return "ENETUNREACH"
	default:
		return number.Error()
	}
}

func say(word string, value any) {
	text, _ := json.Marshal(value)
	fmt.Printf("%s %s\n", word, text)
}
