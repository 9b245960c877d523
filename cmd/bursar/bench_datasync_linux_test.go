package main

import (
	"os"
	"syscall"
)

func benchDatasync(f *os.File) error { return syscall.Fdatasync(int(f.Fd())) }
