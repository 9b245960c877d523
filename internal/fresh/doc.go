// Package fresh remembers what a database says, and knows within half a second
// when it says something else, also by another process.
package fresh
