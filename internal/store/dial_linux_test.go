package store

import (
	"net"
	"syscall"
	"testing"
)

func TestAServerThatVanishesIsNoticedInBoundedTime(t *testing.T) {
	there, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer there.Close()
	conn, err := dial(t.Context(), "tcp", there.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	raw, err := conn.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	options := map[string]int{}
	err = raw.Control(func(fd uintptr) {
		for _, o := range []struct {
			name         string
			level, which int
		}{
			{"user timeout", syscall.IPPROTO_TCP, tcpUserTimeout},
			{"keep-alive", syscall.SOL_SOCKET, syscall.SO_KEEPALIVE},
			{"idle", syscall.IPPROTO_TCP, syscall.TCP_KEEPIDLE},
			{"interval", syscall.IPPROTO_TCP, syscall.TCP_KEEPINTVL},
			{"count", syscall.IPPROTO_TCP, syscall.TCP_KEEPCNT},
		} {
			n, err := syscall.GetsockoptInt(int(fd), o.level, o.which)
			if err != nil {
				t.Errorf("%s: %v", o.name, err)
			}
			options[o.name] = n
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if options["user timeout"] != int(vanished.Milliseconds()) {
		t.Errorf("what is sent may stay unacknowledged for %d ms, want %v", options["user timeout"], vanished)
	}
	silence := options["idle"] + options["interval"]*options["count"]
	if options["keep-alive"] == 0 || silence > int(vanished.Seconds()*1.25) {
		t.Errorf("a quiet connection is given up after %d s (%v), want about %v", silence, options, vanished)
	}
}
