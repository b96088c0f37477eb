# Everything a developer runs. `make help` lists the targets.

GO       ?= go
BIN      := bin/sallyport
VERSION  ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
LDFLAGS  := -s -w -X sallyport/server.version=$(VERSION)
FUZZTIME ?= 10m

# What a fresh machine needs beside Go; tests talk to these as to real peers.
PEERS := freeradius freeradius-utils freeradius-postgresql oathtool postgresql rsyslog strace \
	curl ldap-utils libevtx-utils libhivex-bin nginx-light openssl slapd sslscan tcpdump tshark \
	chromium fonts-dejavu-core

# The race detector watches everything but the inside of SQLite: C translated to
# Go, which is some ten times slower under it. No more than that one package: code
# shared with others (generics, libc) must be watched, or races are seen where there
# are none.
RACE := -race -gcflags='modernc.org/sqlite/lib=-race=false'

export CGO_ENABLED = 0

.PHONY: help build program pages demo test check bench fuzz campaign peers docs clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: pages program ## build bin/sallyport with its pages, static, without cgo

pages: ## build the pages for browsers (Node 20, npm 10)
	@./.ci/pages

program: ## build bin/sallyport with the pages that are there
	$(GO) build -trimpath -ldflags '$(LDFLAGS)' -o $(BIN) ./cmd/sallyport

demo: program ## show the main job: five logins over RADIUS and why each ended as it did
	@$(GO) run ./cmd/demo $(BIN)

test: peers pages check program ## run every test, with the race detector, against real peers
	CGO_ENABLED=1 $(GO) test $(RACE) -p 3 -timeout 28m ./store ./e2e ./httpd ./...
	@./.ci/pages test

check: ## vet, format and lint; silent if all is well
	@./.ci/check

bench: program ## measure against FreeRADIUS and a bare UDP echo, as ratios
	$(GO) run ./bench

fuzz: ## run every fuzz target for FUZZTIME (10m)
	@./.ci/fuzz $(FUZZTIME)

campaign: peers build ## the long campaigns in full: kills, races, guesses
	CGO_ENABLED=1 SALLYPORT_CAMPAIGN=full $(GO) test $(RACE) -timeout 3h -count 1 -v -run 'Campaign' ./...
	CGO_ENABLED=1 SALLYPORT_CAMPAIGN=full $(GO) test $(RACE) -timeout 3h -count 1 -v -run '^(TestStore|TestPostgres)$$/./other_names' ./store

peers: ## install the real peers that tests talk to (Debian, root)
	@./.ci/peers $(PEERS)

docs: program ## write the generated pages under docs/
	$(BIN) docs docs --samples diagnose/testdata/samples

clean: ## remove what was built
	rm -rf bin web/node_modules
	find web/dist -mindepth 1 ! -name README -delete
