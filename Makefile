# What can be done here. `make` alone says it in words.
#
# GNU make and a POSIX shell. Only Go, make and git are needed to build; what the tests and the demo need besides is
# listed in .ci/packages. Tools are pinned below and run through `go run`, so nothing is installed.

GO       ?= go
VERSION  ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
KEEP     ?=
FUZZTIME ?= 20s
AT       ?= 1@80,8@20,16@80
PICKS    ?= 200

GOLANGCI = $(GO) run github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
GOFUMPT  = $(GO) run mvdan.cc/gofumpt@v0.12.0

# The race detector needs a C compiler; without one the tests still run, and say so.
RACE = $(if $(filter 1,$(shell $(GO) env CGO_ENABLED)),-race)

# What go vet finds is found beside the tests, on what was compiled for them: on its own it compiles everything once
# more, without the race detector.
# Tests wait for servers more than they compute: twice as many packages at once as there are processors.
ATONCE = $(shell echo $$((2 * $$(getconf _NPROCESSORS_ONLN))))

.DEFAULT_GOAL := help
.PHONY: help build agents deps demo test lint fmt docs bench bench-ssh bench-sync fuzz check clean

help: ## Print this
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# The helpers that are put on nodes, the same bytes from the same sources wherever they are built: no paths, no build
# id, no version control, no C, and the oldest CPUs of each kind.
AGENTS = stdlib/sync/agent
agents:
	@$(GO) build -o .cache/pack ./$(AGENTS)/cmd/pack
	@for arch in amd64 arm64 386 arm; do \
		CGO_ENABLED=0 GOOS=linux GOARCH=$$arch GOAMD64=v1 GOARM64=v8.0 GO386=softfloat GOARM=5 GOFLAGS= $(GO) build -trimpath -buildvcs=false \
			-ldflags '-s -w -buildid=' -o .cache/agent-$$arch ./$(AGENTS)/cmd/rollsh-agent && \
		.cache/pack .cache/agent-$$arch $(AGENTS)/bin/linux-$$arch stdlib/sync || exit 1; \
	done

# The same static program with or without a C compiler: it runs wherever it is copied to, and starts sooner.
build: agents ## Build bin/rollsh, with the sync agents for linux in it (amd64, arm64, 386, arm)
	@CGO_ENABLED=0 $(GO) build -trimpath -ldflags '-s -w -X main.version=$(VERSION)' -o bin/rollsh .
	@echo "built bin/rollsh $(VERSION)"

deps: ## Install the Debian packages that the tests and the demo want
	@.ci/install test && .ci/install demo

demo: build ## Roll to five real nodes on this machine, in seconds once all is built (KEEP=1: leave them up)
	@.ci/install demo || echo 'going on with what is here'
	@KEEP='$(KEEP)' recipes/demo/demo bin/rollsh

test: agents ## Run go vet and every test with the race detector, real servers included
	@[ -n '$(RACE)' ] || echo 'no C compiler: the tests run without the race detector'
	@$(GO) build ./... && $(GO) build $(RACE) ./... # compiling is not on the clocks of the tests, which build programs too
	@$(GO) test $(RACE) -vet=all -p $(ATONCE) -count=1 -timeout 10m -json ./... | $(GO) run ./.ci/testsum $(ALSO_FAILED)

lint: ## Run the linters: .golangci.yml says which and why; gofumpt for the layout
	@$(GOFUMPT) -l . | { ! grep . || { echo 'not formatted; run: make fmt' >&2; false; }; }
	@$(GOLANGCI) run

docs: build ## Write docs/reference from the function records
	@bin/rollsh reference docs/reference

fmt: ## Lay out all Go files with gofumpt
	@$(GOFUMPT) -w .

bench: build ## Print rollsh's figures as ratios to its peers, measured in the same run
	@.ci/install bench || echo 'going on with the peers that are here'
	@$(GO) run ./shell/bench -rollsh bin/rollsh

bench-ssh: build ## The same for ssh alone: 32 nodes, 256 MB, and 1,000 nodes in one process
	@.ci/install bench || echo 'going on with the peers that are here'
	@$(GO) run ./shell/bench -rollsh bin/rollsh ssh transfer
	@ROLLSH_SCALE=1000 $(GO) test -count=1 -run TestManyNodes -v ./stdlib/ssh | grep nodes:

bench-sync: build ## sync against rsync over delayed networks, as root (AT=NODES@MILLISECONDS,...)
	@.ci/install bench || echo 'going on with the peers that are here'
	@$(GO) run ./shell/bench -rollsh bin/rollsh -at '$(AT)' sync

fuzz: ## Run every fuzz target for FUZZTIME (20s) each, and PICKS (200) random merges against svn
	@ROLLSH_PICKS=$(PICKS) $(GO) test -count=1 -timeout 60m -run 'TestPreviewIsWhatSvnMeets|TestAvailableIsWhatSvnSays|TestMonthsOfABranch' ./stdlib/svn
	@grep -rl --include='*_test.go' '^func Fuzz' . | while read -r file; do \
		sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\).*/\1/p' "$$file" | while read -r target; do \
			$(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) "./$$(dirname "$$file")" || exit 1; \
		done || exit 1; done

check: lint test ## Run exactly what the build machine runs, without installing anything

clean: ## Remove what was built
	@rm -rf bin .cache $(AGENTS)/bin/linux-*
