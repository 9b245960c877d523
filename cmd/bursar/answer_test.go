package main

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
)

func TestCtrlCAnswersAQuestion(t *testing.T) {
	nobody, _ := io.Pipe()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if text, err := readAnswer(ctx, nobody); !errors.Is(err, context.Canceled) {
		t.Errorf("with nobody typing, Ctrl-C gave %q, %v", text, err)
	}
	if text, err := readAnswer(t.Context(), strings.NewReader(" Yes \n")); text != "yes" || err != nil {
		t.Errorf("typed yes, got %q, %v", text, err)
	}
}
