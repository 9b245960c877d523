package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/spf13/cobra"

	"bursar/internal/store"
)

func backupCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "backup FILE",
		Short: "Copy the database into a new file, while the service runs",
		Long: `Copies the whole SQLite database into a new file, as of one moment, while the
service goes on. The file is compact, readable for its owner alone, and on disk
when the verb returns; it never replaces another. Postgres has pg_dump for it.

To put it back: stop serve, remove the old file and those beside it that end in
-wal and -shm, put the copy where store.url points, start serve. It notices. After
pg_restore, say so with "bursar backup restored" before the start.`,
		Example: `  bursar backup /var/backups/bursar-monday.db
  bursar backup restored`,
		Args: cobra.ExactArgs(1),
	}
	path := configFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return withStore(cmd, *path, func(ctx context.Context, _ Config, st *store.Store) error {
			began := time.Now()
			err := st.Backup(ctx, args[0])
			switch {
			case errors.Is(err, store.ErrNotHere):
				return hinted(err, `pg_dump --format=custom --file=FILE DATABASE, as docs/operations.md shows`)
			case errors.Is(err, store.ErrExists):
				return hinted(err, "name another one; a backup never replaces a file")
			case errors.Is(err, fs.ErrNotExist):
				return hinted(err, "make its folder first, or name another FILE")
			case err != nil:
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s holds everything up to %s\n", args[0], began.UTC().Format(time.RFC3339))
			return nil
		})
	}
	cmd.AddCommand(restoredCommand())
	return cmd
}

func restoredCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "restored",
		Short: "Say that the database was put back from a backup",
		Long: `Ends all sessions, for those that were ended since the backup would be alive
again, and has the shops' whole lists looked through at the next start. Run it
after pg_restore, before serve starts; for a file of "bursar backup" serve does it
by itself. It is safe to repeat.`,
		Args: cobra.NoArgs,
	}
	path := configFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return withStore(cmd, *path, func(ctx context.Context, _ Config, st *store.Store) error {
			n, err := st.Restored(ctx)
			if err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "ended %s; at the start the shops are looked through\n", count(n, "session"))
			return nil
		})
	}
	return cmd
}

// noticeRestore does what a database needs that was put back from a backup. It
// must run before anything of the service does.
func (a *App) noticeRestore(ctx context.Context) error {
	at, err := a.store.BackupOf(ctx)
	if err != nil || at.IsZero() {
		return err
	}
	n, err := a.store.Restored(ctx)
	if err != nil {
		return err
	}
	a.log.Warn("this database was put back from a backup: what came after it is read from the shops again; "+
		`"bursar sync plan --audit" shows what else differs`, "backup", at.UTC().Format(time.RFC3339), "sessions_ended", n)
	return nil
}
