package store

import (
	"context"
	"net"
	"time"
)

// A server that is stopped says so to whoever is connected. One whose machine or
// network is gone says nothing, and the system would wait for it for a quarter
// of an hour: meanwhile a loop that has asked for work would stand still, and so
// would whoever hears other replicas. So a connection on which the other side
// does not even acknowledge what it gets is given up after about this long. How
// long an answer takes is not bounded by it.
const vanished = 20 * time.Second

// dial is how the driver connects. For a socket of this machine all of it means
// nothing.
func dial(ctx context.Context, network, addr string) (net.Conn, error) {
	d := net.Dialer{
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: vanished / 2, Interval: vanished / 8, Count: 4},
		Control:         boundSilence,
	}
	return d.DialContext(ctx, network, addr)
}
