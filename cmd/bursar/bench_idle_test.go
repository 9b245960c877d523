package main

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"bursar/internal/store/pgtest"
)

// BenchmarkIdle is the program itself, as its own process with one shop: what
// it costs when nobody buys, after a few have bought. Aims: below 1 % of a core
// and 40 MB resident.
func BenchmarkIdle(b *testing.B) {
	if runtime.GOOS != "linux" {
		b.Skip("reads /proc, which only Linux has")
	}
	program := filepath.Join(b.TempDir(), "bursar")
	if out, err := exec.Command("go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		b.Fatalf("go build: %v\n%s", err, out)
	}
	b.Run("sqlite", func(b *testing.B) { benchmarkIdle(b, program, benchSQLite(b)) })
	b.Run("postgres", func(b *testing.B) { benchmarkIdle(b, program, pgtest.URL(b)) })
}

func benchmarkIdle(b *testing.B, program, storeURL string) {
	const settle, measure, purchases = 3 * time.Second, 10 * time.Second, 20
	var cpu time.Duration
	var rss float64
	for b.Loop() {
		w := newBenchWorld(b)
		listen, operations := benchFreeAddress(b), benchFreeAddress(b)
		file := filepath.Join(b.TempDir(), "config.toml")
		if err := os.WriteFile(file, []byte(w.config(storeURL, listen, operations)), 0o600); err != nil {
			b.Fatal(err)
		}
		var said bytes.Buffer
		cmd := exec.Command(program, "serve", "--config", file)
		cmd.Stderr = &said
		if err := cmd.Start(); err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() {
			cmd.Process.Signal(os.Interrupt)
			if err := cmd.Wait(); err != nil {
				b.Errorf("serve: %v\n%s", err, &said)
			}
		})
		if err := until(b.Context(), "the service to be ready", func() bool {
			resp, err := http.Get("http://" + operations + "/readyz")
			if err != nil {
				return false
			}
			resp.Body.Close()
			return resp.StatusCode == http.StatusOK
		}); err != nil {
			b.Fatalf("%v\n%s", err, &said)
		}
		w.settled(b)
		conn := benchConnect(b, listen)
		for i := range purchases {
			if err := conn.deliver(benchRequest(listen, w.buy(b, fmt.Sprintf("buyer-%d@example.test", i), 0))); err != nil {
				b.Fatal(err)
			}
		}
		if err := until(b.Context(), "the roles", func() bool { return w.tenant.Calls()[benchRoleCall] == purchases }); err != nil {
			b.Fatal(err)
		}
		time.Sleep(settle) // nothing tells that a process has come to rest
		before := benchProcessTime(b, cmd.Process.Pid)
		time.Sleep(measure) // the measurement itself
		cpu = benchProcessTime(b, cmd.Process.Pid) - before
		rss = benchResident(b, cmd.Process.Pid)
	}
	benchEnd(b)
	b.ReportMetric(100*cpu.Seconds()/measure.Seconds(), "cpu-percent")
	b.ReportMetric(rss, "rss-MB")
}

// benchFreeAddress is one that was free a moment ago.
func benchFreeAddress(b *testing.B) string {
	b.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// benchProcessTime is user and system time so far, in steps of 10 ms (proc(5),
// fields 14 and 15 of stat; a tick is 1/100 s for every program on Linux).
func benchProcessTime(b *testing.B, pid int) time.Duration {
	b.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		b.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), ") ") // the name before may hold anything
	fields := strings.Fields(rest)
	var ticks int64
	for _, f := range fields[14-3 : 16-3] {
		n, err := strconv.ParseInt(f, 10, 64)
		if err != nil {
			b.Fatal(err)
		}
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond
}

// benchResident is VmRSS in MB.
func benchResident(b *testing.B, pid int) float64 {
	b.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		b.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kb, err := strconv.ParseFloat(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")), 64)
			if err != nil {
				b.Fatal(err)
			}
			return kb / 1024
		}
	}
	b.Fatal("no VmRSS")
	return 0
}
