package main

import (
	"bufio"
	"context"
	"io"
	"strings"
)

// readAnswer waits for a line of whoever sits at the terminal. Ctrl-C is an answer too:
// then it is ctx's error. The reading itself cannot be called off; it ends with
// the process.
func readAnswer(ctx context.Context, in io.Reader) (string, error) {
	type answer struct {
		text string
		err  error
	}
	got := make(chan answer, 1)
	go func() {
		text, err := bufio.NewReader(in).ReadString('\n')
		got <- answer{strings.ToLower(strings.TrimSpace(text)), err}
	}()
	select {
	case <-ctx.Done():
		return "", ctx.Err()
	case a := <-got:
		return a.text, a.err
	}
}
