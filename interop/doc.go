// Package interop has foreign programs talk to ours. It is a module of its own,
// so that what they need never becomes a dependency of the service.
package interop
