package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/spf13/cobra"
)

func serveCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run the service",
		Example: `  bursar serve --config config.toml
  go run ./cmd/bursar serve --config config.example.toml`,
		Args: cobra.NoArgs,
	}
	path := configFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		cfg, err := loadConfig(*path)
		if err != nil {
			return err
		}
		app, err := newApp(cmd.Context(), cfg, logger(cfg.Log), nil)
		if err != nil {
			return err
		}
		defer app.Close()
		return app.Run(cmd.Context())
	}
	return cmd
}

func logger(cfg LogConfig) *slog.Logger {
	var level slog.Level
	level.UnmarshalText([]byte(cfg.Level)) // checked with the config
	opts := &slog.HandlerOptions{Level: level}
	if cfg.Format == "json" {
		return slog.New(slog.NewJSONHandler(os.Stderr, opts))
	}
	return slog.New(slog.NewTextHandler(os.Stderr, opts))
}

// Run serves until ctx ends or a part fails. It stops in the order in which
// work flows: first nobody comes in any more, then what is under way is
// finished, then the store closes its books.
func (a *App) Run(ctx context.Context) error {
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	var parts [3]struct {
		ctx  context.Context
		stop context.CancelFunc
		wg   sync.WaitGroup
	}
	for i := range parts {
		parts[i].ctx, parts[i].stop = context.WithCancel(context.WithoutCancel(ctx))
		defer parts[i].stop()
	}
	start := func(i int, name string, run func(context.Context) error) {
		parts[i].wg.Go(func() {
			if err := run(parts[i].ctx); err != nil {
				fail(fmt.Errorf("%s: %w", name, err))
			}
		})
	}
	const books, work, doors = 0, 1, 2

	start(books, "store", a.store.Run)
	if a.cfg.sells() {
		start(work, "catalog", a.resolver.Run)
		start(work, "inbox", a.worker.Run)
		start(work, "people", a.reconciler.Run)
		start(work, "old decisions", a.forgetRemovals)
	}
	start(work, "retention", a.retain(a.cfg.Retention))
	if a.schedule != nil {
		start(work, "sync", a.schedule.Run)
	}
	if a.sessions != nil {
		start(work, "sessions", a.sessions.Run)
	}
	for _, s := range a.sweepers {
		start(work, "sweep", s.Run)
	}
	if a.embeddedShop != nil {
		start(work, "embedded shop", a.embeddedShop.Run)
	}
	start(doors, "public listener", func(ctx context.Context) error { return serveHTTP(ctx, a.public, a.handler) })
	start(doors, "operations listener", func(ctx context.Context) error { return serveHTTP(ctx, a.operations, a.opsHandler()) })
	a.announce()

	<-ctx.Done()
	for _, i := range []int{doors, work, books} {
		parts[i].stop()
		parts[i].wg.Wait()
	}
	if err := context.Cause(ctx); !errors.Is(err, context.Canceled) {
		return err
	}
	a.log.Info("stopped; everything accepted is on disk")
	return nil
}

// serveHTTP serves until ctx ends and then lets requests under way finish: it
// returns only when the last of them has its answer.
func serveHTTP(ctx context.Context, l net.Listener, h http.Handler) error {
	srv := &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       15 * time.Second,
		WriteTimeout:      30 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    32 << 10,
		ErrorLog:          slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug),
	}
	finished := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(finished)
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		if srv.Shutdown(grace) != nil {
			srv.Close() // somebody does not let go
		}
	})
	err := srv.Serve(l) // returns as soon as Shutdown begins
	if stop() {
		return err // not asked to stop: the listener broke
	}
	<-finished
	return nil
}
