//go:build !linux

package main

import "os"

func benchDatasync(f *os.File) error { return f.Sync() }
