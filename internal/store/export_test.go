package store

import (
	"context"
	"testing"
)

// PretendVersion writes down a migration that this bursar does not have.
func (s *Store) PretendVersion(t *testing.T, version int) {
	t.Helper()
	err := s.write(t.Context(), "pretend", func(ctx context.Context, tx *tx) error {
		_, err := tx.exec(ctx, `INSERT INTO schema_version (version, applied_at) VALUES ($1, 0)`, version)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
