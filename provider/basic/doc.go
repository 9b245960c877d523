// Package basic knows users by name and password: those of an htpasswd file,
// and those that the configuration names.
//
//	users, err := basic.New(basic.Config{File: "htpasswd", Roles: map[string][]string{"kim": {"Reports"}}})
//	guard, err := provider.NewGuard(provider.GuardConfig{Basic: users.Verify})
//
// What it promises:
//
//   - Only bcrypt and argon2id are taken. A line with anything weaker is a
//     fault that names the line, and never shows the hash.
//   - The file may change while we run; the change counts within a second. A
//     file that cannot be read, or has a fault, changes nothing and is logged:
//     nobody is locked out by a half-written file.
//   - A name that does not exist costs as much time as the costliest one that
//     does, and gets the same answer.
//   - A right password is remembered as a keyed hash, so that it costs a
//     microsecond the next time; it is forgotten when the user's entry changes.
//   - Too many wrong passwords lock a user, and an address, for a while. Whoever
//     showed the right password within the last day is not locked out with them.
//   - At most so many passwords are hashed at once, so that a flood takes neither
//     all memory nor all processors.
//
// One thing it cannot hide: if entries differ in cost, a cheap one answers
// sooner than a name that does not exist. "bursar password" makes all alike.
package basic
