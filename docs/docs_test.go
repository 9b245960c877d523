package docs_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const root = ".."

// files lists the tree's files with that ending, relative to the root.
func files(t *testing.T, ending string) []string {
	t.Helper()
	var list []string
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if base := d.Name(); base == "testdata" || base == "node_modules" || len(base) > 2 && base[0] == '.' {
				return fs.SkipDir
			}
			if _, err := os.Stat(filepath.Join(name, "go.mod")); err == nil && name != root {
				return fs.SkipDir // another module has its own reasons
			}
			return nil
		}
		if strings.HasSuffix(name, ending) {
			rel, err := filepath.Rel(root, name)
			if err != nil {
				return err
			}
			list = append(list, filepath.ToSlash(rel))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

var requirement = regexp.MustCompile(`(?m)^(?:require )?\t?(\S+\.\S+) v\S+( // indirect)?$`)

// required are the modules of go.mod, and whether it calls each one direct.
func required(t *testing.T) map[string]bool {
	t.Helper()
	modules := map[string]bool{}
	for _, m := range requirement.FindAllStringSubmatch(read(t, "go.mod"), -1) {
		modules[m[1]] = m[2] == ""
	}
	if len(modules) == 0 {
		t.Fatal("go.mod: no requirement found")
	}
	return modules
}

// direct are the modules that go.mod calls direct, and those that our files
// import, for go.mod may be behind.
func direct(t *testing.T) map[string]bool {
	t.Helper()
	modules := required(t)
	wanted := map[string]bool{}
	for module, called := range modules {
		if called {
			wanted[module] = true
		}
	}
	for _, name := range files(t, ".go") {
		file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root, name), nil, parser.ImportsOnly)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for _, spec := range file.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				t.Fatal(err)
			}
			for ; imported != "."; imported = path.Dir(imported) {
				if _, there := modules[imported]; there {
					wanted[imported] = true
					break
				}
			}
		}
	}
	return wanted
}

var reason = regexp.MustCompile("(?m)^\\| `([^`]+)` \\|[^|]*\\| *([^|]+?) *\\|$")

func TestEveryDirectDependencyHasItsReason(t *testing.T) {
	given := map[string]bool{}
	for _, m := range reason.FindAllStringSubmatch(read(t, "docs/dependencies.md"), -1) {
		given[m[1]] = len(m[2]) > 20
	}
	for module := range direct(t) {
		if !given[module] {
			t.Errorf("docs/dependencies.md has no reason for %s; add its row, or do without it", module)
		}
	}
	modules := required(t)
	for module := range given {
		if _, there := modules[module]; !there {
			t.Errorf("docs/dependencies.md explains %s, which is not in go.mod; take the row out", module)
		}
	}
}

var (
	fenced = regexp.MustCompile("(?ms)^```.*?^```$")
	link   = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	named  = regexp.MustCompile("`([a-z0-9_.-]+(?:/[A-Za-z0-9_.-]+)*\\.(?:go|sql|toml|md))`")
)

func TestEveryRelativeLinkResolves(t *testing.T) {
	for _, name := range files(t, ".md") {
		text := fenced.ReplaceAllString(read(t, name), "")
		for _, m := range link.FindAllStringSubmatch(text, -1) {
			target, _, _ := strings.Cut(m[1], "#")
			if target == "" || strings.Contains(target, ":") {
				continue // within the page, or not ours
			}
			if _, err := os.Stat(filepath.Join(root, path.Dir(name), target)); err != nil {
				t.Errorf("%s links to %s, which is not there", name, m[1])
			}
		}
	}
}

func TestEveryFileThatThePagesNameExists(t *testing.T) {
	for _, name := range files(t, ".md") {
		if path.Dir(name) == "." || !strings.HasPrefix(name, "docs/") {
			continue
		}
		for _, m := range named.FindAllStringSubmatch(read(t, name), -1) {
			if !strings.Contains(m[1], "/") {
				continue
			}
			if _, err := os.Stat(filepath.Join(root, m[1])); err != nil {
				t.Errorf("%s names %s, which is not there", name, m[1])
			}
		}
	}
}

var (
	shown   = regexp.MustCompile("`((?:Test|Fuzz)[^`]+)`")
	defined = regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(`)
)

// A threat whose test was renamed or deleted is a threat without a defence
// that anybody could check.
func TestEveryDefenceIsShownByATestThatExists(t *testing.T) {
	functions := map[string]bool{}
	var conformance strings.Builder
	for _, name := range files(t, ".go") {
		text := read(t, name)
		for _, m := range defined.FindAllStringSubmatch(text, -1) {
			functions[m[1]] = true
		}
		if strings.HasPrefix(name, "internal/store/storetest/") {
			conformance.WriteString(text)
		}
	}
	mentions := shown.FindAllStringSubmatch(read(t, "docs/threats.md"), -1)
	if len(mentions) == 0 {
		t.Fatal("docs/threats.md names no test")
	}
	var seen []string
	for _, m := range mentions {
		if slices.Contains(seen, m[1]) {
			continue
		}
		seen = append(seen, m[1])
		function, part, hasPart := strings.Cut(m[1], "/")
		if !functions[function] {
			t.Errorf("docs/threats.md names %s, which is not there", function)
		}
		if hasPart && !strings.Contains(conformance.String(), strconv.Quote(part)) {
			t.Errorf("docs/threats.md names the case %q of %s, which is not there", part, function)
		}
	}
}
