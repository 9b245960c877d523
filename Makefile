# "make test" is the one command; CONTRIBUTING.md says what the others are for.

GO          ?= go
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
GOVULNCHECK := golang.org/x/vuln/cmd/govulncheck@v1.9.0
# TESTFLAGS goes to go test: make test TESTFLAGS='-run Refund'
TESTFLAGS   ?=
# BENCH picks benchmarks, FUZZTIME is for each target.
BENCH       ?= .
FUZZTIME    ?= 30s

.DEFAULT_GOAL := test
.NOTPARALLEL:
.PHONY: test tools format vet staticcheck build tests interop vuln bench scale fuzz demo

# All that must hold before a commit. With CI=true nothing may be skipped.
test: tools format vet staticcheck build tests interop
	@skipped=$$(scripts/test-tools missing); \
	if [ -z "$$skipped" ]; then echo "make test: passed, nothing skipped"; \
	else echo "make test: passed, but skipped:"; echo "$$skipped"; fi

# Installs what the fuller tests need, where it may, and says what is missing.
tools:
	@GO='$(GO)' scripts/test-tools

format:
	@echo "== gofmt"
	@wrong=$$("$$($(GO) env GOROOT)/bin/gofmt" -l .); \
	if [ -n "$$wrong" ]; then echo "not formatted; run gofmt -w on:"; echo "$$wrong"; exit 1; fi

vet:
	@echo "== go vet"
	@$(GO) vet ./...
	@cd bench && $(GO) vet ./...
	@cd interop && $(GO) vet ./...

# Pinned, and outside of go.mod: a tool is no dependency of the service.
staticcheck:
	@echo "== staticcheck"
	@if $(GO) run $(STATICCHECK) -version >/dev/null 2>&1; then $(GO) run $(STATICCHECK) ./...; \
	elif [ "$$CI" = true ]; then $(GO) run $(STATICCHECK) -version; exit 1; \
	else echo "SKIPPED staticcheck: it cannot be downloaded now; go vet has run"; fi

build:
	@echo "== go build"
	@$(GO) build ./...

# With CI=true every test is named in the output, and a skipped one fails. What
# tests leave to look at, such as pictures of pages, goes to ARTIFACTS.
ARTIFACTS ?= $(CURDIR)/artifacts
tests:
	@echo "== go test"
	@mkdir -p '$(ARTIFACTS)'; \
	race=-race; $(GO) build -race runtime/cgo 2>/dev/null || race=; \
	if [ "$$CI" != true ]; then exec $(GO) test $$race -timeout 14m -artifacts -outputdir '$(ARTIFACTS)' $(TESTFLAGS) ./...; fi; \
	log=$$(mktemp) && trap 'rm -f "$$log"' EXIT; \
	{ $(GO) test $$race -v -timeout 14m -artifacts -outputdir '$(ARTIFACTS)' $(TESTFLAGS) ./... && echo "GO TEST PASSED"; } 2>&1 | tee "$$log"; \
	if grep -E '^ *--- SKIP' "$$log"; then echo "with CI=true nothing may be skipped"; exit 1; fi; \
	tail -n 1 "$$log" | grep -qx "GO TEST PASSED"

# Foreign programs talk to ours; in a module of its own, for what they need is
# no dependency of the service.
interop:
	@echo "== interop"
	@cd interop && $(GO) test -timeout 2m ./...

# Not part of test: it needs the network each time. See CONTRIBUTING.md.
vuln:
	$(GO) run $(GOVULNCHECK) ./...

# One package after the other, so that they do not measure each other; then the
# verifier beside its peers, in a module of its own.
bench:
	@$(GO) test -p 1 -run '^$$' -bench '$(BENCH)' -benchmem -timeout 15m \
		$$(grep -rl --include='*_test.go' --exclude-dir=bench '^func Benchmark' . | xargs -n 1 dirname | sort -u)
	@cd bench && $(GO) test -run '^$$' -bench '$(BENCH)' -benchtime 3s -timeout 15m

# The comparison of a sync with the naive way, at full size: some minutes.
scale:
	@$(GO) test -timeout 15m ./internal/sim -run NaiveWay -learners 100000 -v

fuzz:
	@grep -rHoE --include='*_test.go' --exclude-dir=bench '^func Fuzz[A-Za-z0-9_]+' . | sort | \
	while IFS=: read -r file target; do \
		target=$${target#func }; echo "== $$target in $$(dirname "$$file")"; \
		$(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) -timeout 15m "$$(dirname "$$file")" || exit 1; \
	done

demo:
	@$(GO) run ./cmd/bursar demo
