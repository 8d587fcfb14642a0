// What pods of tests run: it serves and gets HTTP, and is one end of a counted stream of datagrams, as
// hack/lab/traffic/udp-peer.ts is on machines that have Node.
package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"time"
)

// Where Kubernetes puts the identity of a pod's ServiceAccount.
const account = "/var/run/secrets/kubernetes.io/serviceaccount/"

// What get takes in, and serve gives.
const mostBytes = 1 << 20

func main() {
	if len(os.Args) < 2 {
		fail("traffic serve [PORT] | get URL | stream --local ADDRESS --remote ADDRESS --port PORT --rate RATE [--size BYTES]")
	}
	switch os.Args[1] {
	case "serve":
		serve(os.Args[2:])
	case "get":
		if len(os.Args) != 3 {
			fail("get wants one URL")
		}
		get(os.Args[2])
	case "stream":
		stream(os.Args[2:])
	default:
		fail("there is no %s", os.Args[1])
	}
}

// serve answers everybody with its own name and the address that the request came from, and /bytes/COUNT with as many.
func serve(words []string) {
	port := "8080"
	if len(words) > 0 {
		port = words[0]
	}
	name, _ := os.Hostname()
	http.HandleFunc("/", func(answer http.ResponseWriter, request *http.Request) {
		fmt.Fprintf(answer, "%s asked from %s\n", name, request.RemoteAddr)
	})
	http.HandleFunc("/bytes/{count}", func(answer http.ResponseWriter, request *http.Request) {
		count, err := strconv.Atoi(request.PathValue("count"))
		if err != nil || count < 0 || count > mostBytes {
			http.Error(answer, "how many?", http.StatusBadRequest)
			return
		}
		_, _ = answer.Write(bytes.Repeat([]byte("x"), count))
	})
	fmt.Println("serving")
	fail("%v", http.ListenAndServe(":"+port, nil))
}

// get prints the status and what a server says, over TLS as the pod's ServiceAccount and to the cluster's authority only.
func get(url string) {
	request, err := http.NewRequest("GET", url, nil)
	if err != nil {
		fail("%v", err)
	}
	transport := &http.Transport{}
	if request.URL.Scheme == "https" {
		authority, err := os.ReadFile(account + "ca.crt")
		if err != nil {
			fail("%v", err)
		}
		token, err := os.ReadFile(account + "token")
		if err != nil {
			fail("%v", err)
		}
		trusted := x509.NewCertPool()
		trusted.AppendCertsFromPEM(authority)
		transport.TLSClientConfig = &tls.Config{RootCAs: trusted}
		request.Header.Set("Authorization", "Bearer "+string(token))
	}
	client := http.Client{Transport: transport, Timeout: 5 * time.Second}
	answer, err := client.Do(request)
	if err != nil {
		fail("%v", err)
	}
	body, _ := io.ReadAll(io.LimitReader(answer.Body, mostBytes))
	fmt.Printf("%d %s", answer.StatusCode, body)
}

func fail(format string, words ...any) {
	fmt.Fprintf(os.Stderr, "traffic: "+format+"\n", words...)
	os.Exit(1)
}
