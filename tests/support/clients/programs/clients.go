// What Go's net/http makes of a server and a collector. Prints one JSON object a line, like the other programs here.
//
//	go run clients.go SERVER-URL SERVER-BODY COLLECTOR-URL COLLECTOR-BODY TOKEN LIMIT
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"time"
)

type side struct{ name, url, body, token string }

func send(client *http.Client, to side, more string, body io.Reader, headers ...string) string {
	request, err := http.NewRequest("POST", to.url+more, body)
	if err != nil {
		return err.Error()
	}
	request.Header.Set("Content-Type", "application/json")
	if to.token != "" {
		request.Header.Set("Authorization", "Bearer "+to.token)
	}
	for at := 0; at < len(headers); at += 2 {
		request.Header.Set(headers[at], headers[at+1])
	}
	response, err := client.Do(request)
	if err != nil {
		return err.Error()
	}
	defer response.Body.Close()
	if _, err := io.Copy(io.Discard, response.Body); err != nil {
		return err.Error()
	}
	return strconv.Itoa(response.StatusCode)
}

// A reader of which nobody knows the length is sent in chunks.
func chunks(body []byte) io.Reader { return struct{ io.Reader }{bytes.NewReader(body)} }

func main() {
	given := os.Args[1:]
	limit, err := strconv.Atoi(given[5])
	if err != nil {
		panic(err)
	}
	large := bytes.Repeat([]byte(" "), 12*limit)
	cases := []struct {
		does string
		of   func(*http.Client, side) string
	}{
		{"a body", func(c *http.Client, to side) string { return send(c, to, "", bytes.NewReader([]byte(to.body))) }},
		{"a body in chunks", func(c *http.Client, to side) string { return send(c, to, "", chunks([]byte(to.body))) }},
		{"two requests on one connection", func(c *http.Client, to side) string {
			return send(c, to, "", bytes.NewReader([]byte(to.body))) + ", " + send(c, to, "", bytes.NewReader([]byte(to.body)))
		}},
		{"a body of twelve times the limit, all sent before the answer is read", func(c *http.Client, to side) string {
			return send(c, to, "", bytes.NewReader(large))
		}},
		{"the same in chunks", func(c *http.Client, to side) string { return send(c, to, "", chunks(large)) }},
		{"the same after Expect: 100-continue", func(c *http.Client, to side) string {
			return send(c, to, "", bytes.NewReader(large), "Expect", "100-continue")
		}},
		{"a large body to a path that is not there, then a request on the same client", func(c *http.Client, to side) string {
			return send(c, to, "/nothing", bytes.NewReader(large)) + ", " + send(c, to, "", bytes.NewReader([]byte(to.body)))
		}},
	}
	sides := []side{{"server", given[0], given[1], ""}, {"collector", given[2], given[3], given[4]}}
	for _, one := range cases {
		line := map[string]string{"client": "Go net/http", "does": one.does}
		for _, to := range sides {
			client := &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{ExpectContinueTimeout: 5 * time.Second}}
			line[to.name] = one.of(client, to)
		}
		text, err := json.Marshal(line)
		if err != nil {
			panic(err)
		}
		fmt.Println(string(text))
	}
}
