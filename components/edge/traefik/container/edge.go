// Package edge is what a route may ask for and Traefik has no middleware for: a limit of the request's body that does not collect
// the answer (Traefik's buffering does), files of ACME's challenges, and no answer at all. Traefik interprets this file when it starts.
package edge

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Config says what one use of the plugin does. Of several, the first that is set.
type Config struct {
	// Files is a folder; the path of the request is that of a file in it.
	Files string
	// HangUp closes the connection; where that cannot be done, Refuse is the answer.
	HangUp bool
	// Refuse is the status of every answer.
	Refuse int
	// MaxBodyBytes is the size of the largest body; larger ones get 413.
	MaxBodyBytes int64
	// Collect has a body that does not say its size read to its end before the service gets any of it.
	Collect bool
}

// CreateConfig is called by Traefik.
func CreateConfig() *Config { return &Config{} }

// Edge is one use of the plugin.
type Edge struct {
	next   http.Handler
	config Config
}

// New is called by Traefik.
func New(_ context.Context, next http.Handler, config *Config, _ string) (http.Handler, error) {
	return &Edge{next: next, config: *config}, nil
}

// ServeHTTP answers, or hands on.
func (e *Edge) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case e.config.Files != "":
		e.file(w, r)
	case e.config.HangUp || e.config.Refuse != 0:
		e.refuse(w)
	default:
		e.limited(w, r)
	}
}

func (e *Edge) file(w http.ResponseWriter, r *http.Request) {
	content, err := os.ReadFile(filepath.Join(e.config.Files, filepath.Clean("/"+r.URL.Path)))
	if err != nil || strings.Contains(r.URL.Path, "..") {
		http.Error(w, http.StatusText(http.StatusNotFound), http.StatusNotFound)
		return
	}
	w.Header().Set("Content-Type", "text/plain")
	_, _ = w.Write(content)
}

func (e *Edge) refuse(w http.ResponseWriter) {
	if e.config.HangUp {
		if hijacker, ok := w.(http.Hijacker); ok {
			if connection, _, err := hijacker.Hijack(); err == nil {
				_ = connection.Close()
				return
			}
		}
	}
	http.Error(w, http.StatusText(e.config.Refuse), e.config.Refuse)
}

// collectedInMemory is how much of a body that does not say its size is kept in memory; the rest goes to a file.
const collectedInMemory = 1 << 20

func (e *Edge) limited(w http.ResponseWriter, r *http.Request) {
	limit := e.config.MaxBodyBytes
	switch {
	case r.ContentLength > limit:
		tooLarge(w, r)
		return
	case r.ContentLength >= 0 || r.Body == nil || r.Body == http.NoBody:
		// Go's server hands on as many bytes as the request said, and no more.
	case !e.config.Collect:
		r.Body = http.MaxBytesReader(w, r.Body, limit)
	default:
		body, size, err := collect(r.Body, limit)
		if err != nil {
			http.Error(w, http.StatusText(http.StatusBadRequest), http.StatusBadRequest)
			return
		}
		defer func() { _ = body.Close() }()
		if size > limit {
			tooLarge(w, r)
			return
		}
		r.Body = body
		r.ContentLength = size
		r.TransferEncoding = nil
	}
	e.next.ServeHTTP(w, r)
}

// heardOutSeconds is for how long a client may go on sending what is too large; nginx calls it lingering.
const heardOutSeconds = 10

// tooLarge answers 413. A client that is still sending when the connection ends would not read the answer, so it is heard out first, but for one
// that asks before it sends.
func tooLarge(w http.ResponseWriter, r *http.Request) {
	for end := time.Now().Add(heardOutSeconds * time.Second); r.Header.Get("Expect") == "" && time.Now().Before(end); {
		if _, err := io.CopyN(io.Discard, r.Body, collectedInMemory); err != nil {
			break
		}
	}
	w.Header().Set("Connection", "close")
	http.Error(w, http.StatusText(http.StatusRequestEntityTooLarge), http.StatusRequestEntityTooLarge)
}

// collect reads a body up to one byte beyond the limit.
func collect(from io.Reader, limit int64) (io.ReadCloser, int64, error) {
	start, err := io.ReadAll(io.LimitReader(from, min64(limit+1, collectedInMemory)))
	size := int64(len(start))
	if err != nil || size < collectedInMemory || size > limit {
		return io.NopCloser(bytes.NewReader(start)), size, err
	}
	file, err := os.CreateTemp("", "body-")
	if err != nil {
		return io.NopCloser(bytes.NewReader(nil)), 0, err
	}
	// Gone from the folder at once, and from the disk with its last use.
	_ = os.Remove(file.Name())
	rest, err := io.Copy(file, io.LimitReader(from, limit+1-size))
	if err == nil {
		_, err = file.Seek(0, io.SeekStart)
	}
	return &collected{Reader: io.MultiReader(bytes.NewReader(start), file), file: file}, size + rest, err
}

type collected struct {
	io.Reader
	file *os.File
}

// Close ends the use of the file.
func (c *collected) Close() error { return c.file.Close() }

func min64(a, b int64) int64 {
	if a < b {
		return a
	}
	return b
}
