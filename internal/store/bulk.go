package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
)

// A sync reads millions of rows, and to convert one in database/sql takes as
// long as to find it. So they are taken from the driver as it has them.

// A bulk is where queries go that have many rows. All see one moment.
type bulk struct {
	conn *sql.Conn
	eng  engine
}

// readMany is read for queries that have many rows.
func (s *Store) readMany(ctx context.Context, doing string, do func(context.Context, bulk) error) error {
	err := func() error {
		if s.commit.closed() {
			return ErrClosed
		}
		pool, opts := s.eng.bulkReaders()
		conn, err := pool.Conn(ctx)
		if err != nil {
			return err
		}
		defer conn.Close()
		t, err := conn.BeginTx(ctx, opts)
		if err != nil {
			return err
		}
		defer t.Rollback()
		if err := do(ctx, bulk{conn, s.eng}); err != nil {
			return err
		}
		// When ctx ends so does the transaction, and what was read since then may be
		// of another moment.
		return ctx.Err()
	}()
	if err != nil {
		return fmt.Errorf("store: %s: %w", doing, err)
	}
	return nil
}

// each calls scan for every row.
func (b bulk) each(ctx context.Context, scan func(*row), query string, args ...any) error {
	values := make([]driver.NamedValue, len(args))
	for i, a := range cleaned(args) {
		v, err := driver.DefaultParameterConverter.ConvertValue(a)
		if err != nil {
			return err
		}
		values[i] = driver.NamedValue{Ordinal: i + 1, Value: v}
	}
	return b.conn.Raw(func(conn any) error {
		rows, err := conn.(driver.QueryerContext).QueryContext(ctx, run{nil, b.eng}.text(query), values)
		if err != nil {
			return err
		}
		defer rows.Close()
		var r row
		cells := make([]driver.Value, len(rows.Columns()))
		for {
			switch err := rows.Next(cells); err {
			case nil:
			case io.EOF:
				return nil
			default:
				return err
			}
			r.begin(cells)
			scan(&r)
			if err := r.end(); err != nil {
				return err
			}
		}
	})
}

// A row is read cell by cell, from left to right: all of them, and each as what
// it is kept as. Else the query ends with an error.
//
// SQLite takes longer to hand over fourteen cells than one text, so there a query
// may join them: what stands between {{ROW(}} and {{)}} is one text with a NUL
// between two cells. No text has one in it, see cleaned. None may be NULL.
type row struct {
	cells []driver.Value
	rest  string // of joined cells
	more  bool   // there is a rest, be it empty
	err   error
}

func (r *row) begin(cells []driver.Value) { r.cells, r.rest, r.more = cells, "", false }

func (r *row) end() error {
	if r.err == nil && (r.more || len(r.cells) > 0) {
		return errors.New("a row has more cells than were asked for")
	}
	return r.err
}

// next is the next cell: a text, or else what the driver made of it.
func (r *row) next() (text string, other driver.Value) {
	if !r.more {
		if len(r.cells) == 0 {
			r.err = errors.New("a row has fewer cells than were asked for")
			return "", nil
		}
		cell := r.cells[0]
		r.cells = r.cells[1:]
		var ok bool
		if r.rest, ok = cell.(string); !ok {
			return "", cell
		}
	}
	text, r.rest, r.more = strings.Cut(r.rest, "\x00")
	return text, nil
}

func (r *row) text() string {
	text, other := r.next()
	if other != nil {
		r.err = fmt.Errorf("a text is kept as %T", other)
	}
	return text
}

func (r *row) number() int64 {
	text, other := r.next()
	if n, ok := other.(int64); ok {
		return n
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		r.err = fmt.Errorf("a number is kept as %T %q", other, text)
	}
	return n
}

func (r *row) flag() bool        { return r.number() != 0 }
func (r *row) moment() time.Time { return moment(r.number()) }
