package provider

import "context"

// A Class is how urgent a call to the provider is. All calls to a tenant share
// one rate limit; what is left of it goes to the more urgent class first.
type Class string

// The classes, most urgent first.
const (
	Purchase Class = "purchase" // somebody has just paid, or was just refunded
	Release  Class = "release"  // a held account whose owner may just have proved the mailbox
	Repair   Class = "repair"   // a crowd that became due at once, and whatever names no class
	Sync     Class = "sync"     // a plan that is carried out
	Audit    Class = "audit"    // reading what everybody holds
)

// Classes are all of them, most urgent first.
func Classes() []Class { return []Class{Purchase, Release, Repair, Sync, Audit} }

type classKey struct{}

// WithClass says of the calls made under ctx how urgent they are.
func WithClass(ctx context.Context, c Class) context.Context {
	return context.WithValue(ctx, classKey{}, c)
}

// ClassOf is what WithClass said; Repair if nobody did.
func ClassOf(ctx context.Context) Class {
	if c, ok := ctx.Value(classKey{}).(Class); ok {
		return c
	}
	return Repair
}
