// Package emulator is what our stand-ins for other people's services have in
// common: bad days that are set for a route and used up call by call
// ([Faults]), the two of them that no handler can act by answering ([Drop],
// [Wait]), and a server on loopback that can be closed while calls hang
// ([Serve]).
//
// It knows no service. Which faults there are and what each answers is said by
// the emulator that uses it, in the words and headers of its original.
package emulator
