# vipasod. `make` lists what can be made. Versions are pinned in go.mod and
# tools/go.mod; raise them one module at a time, never with `go get -u`.

GO      ?= go
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)
TOOL     = $(GO) tool -modfile=$(CURDIR)/tools/go.mod

# What make install writes to.
DESTDIR ?=
PREFIX  ?= /usr

# What may be given on the command line: make test PKG=./store, make fuzz
# TIME=1m, make bench BENCH=Pay, make race RACE=./daemon/..., make demo DEMO=--headless,
# make fuzz FUZZ_IN=store, make crash EACH=64, make kill N=1000, make faults FLIPS=10000.
PKG   ?= ./...
SKIP  ?=
# The proofs and the models play everything in one goroutine: there is nothing
# to race. The attacks take seven minutes with the detector; devices are raced
# by their own tests.
RACE  ?= $(shell $(GO) list ./... | grep -v /cmd/internal/prove)
UNRACED = ^(TestAttacks|TestCounters|TestSettlementByModel)$$
# Many tests wait more than they compute.
JOBS  ?= $(shell echo $$((2 * $$(nproc))))
TIME  ?= 10s
# The packages that decide, and know of no network, disk or clock.
PURE   = preauth|daemon/payment|ble/frame|ble/sim|syncer/outbox
export FUZZ FUZZ_IN
BENCH ?= .
EACH  ?= 8
FAULTS ?= 8
FLIPS ?= 1000
N     ?= 25
SEEDS ?= 100
FROM  ?= 1
WHOLE ?= false
MUTANTS ?= all
OFFLINE ?= 1000
# Where the proofs leave what they found, for make reliability, and what that
# draws.
OUT     ?= $(CURDIR)/out
PICTURE ?= .github/reliability.svg
DEMO  ?=

# The verifier and the machines: every statement of them is run by a test.
COVERED  = preauth preauth/ledger daemon/payment
PROGRAMS = $(patsubst cmd/%/main.go,%,$(wildcard cmd/*/main.go))

.DEFAULT_GOAL := help
.PHONY: help
help: ## list what can be made
	@awk -F ' ## ' '/^[a-z-]+:.* ## /{sub(/:.*/, "", $$1); printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: demo
demo: prerequisites ## a till, customers and a backend on this machine, without Bluetooth
	@echo "building, the first time takes minutes" >&2
	@$(GO) build -o bin/ ./cmd/vipaso-demo && exec bin/vipaso-demo $(DEMO)

.PHONY: test
test: prerequisites ## run the tests
	$(GO) test -timeout 20m -p $(JOBS) -skip '$(SKIP)' $(PKG)

.PHONY: race
race: prerequisites ## run the tests under the race detector
	$(GO) test -race -timeout 20m -p $(JOBS) -skip '$(UNRACED)' $(RACE)

.PHONY: test-ble
test-ble: prerequisites ## run the Bluetooth tests in small virtual machines; BLE_RUN=Race runs those that match
	@tools/test-ble.sh "$(GO)"

.PHONY: check
check: prerequisites fmt-check vet staticcheck proto-check deps cover check-fsync check-deploy check-grpcurl ## everything but the tests themselves: style, API, graph, coverage, fsyncs, units
	@echo "check: ok"

.PHONY: ci
ci: ## what continuous integration runs
	.ci/run

.PHONY: build
build: prerequisites ## build the programs into bin/
	$(GO) build -trimpath -ldflags "-s -w -X github.com/vipaso/vipasod/cmd/internal/build.version=$(VERSION)" -o bin/ $(addprefix ./cmd/,$(PROGRAMS))

.PHONY: install
install: build ## install programs, units and the sample configuration below DESTDIR
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/lib/systemd/system $(DESTDIR)$(PREFIX)/lib/systemd/catalog $(DESTDIR)$(PREFIX)/lib/sysusers.d $(DESTDIR)/etc/vipasod
	install -m 755 $(addprefix bin/,$(PROGRAMS)) $(DESTDIR)$(PREFIX)/bin/
	install -m 644 deploy/*.service $(DESTDIR)$(PREFIX)/lib/systemd/system/
	install -m 644 deploy/vipasod.catalog $(DESTDIR)$(PREFIX)/lib/systemd/catalog/
	for f in vipasod vipaso-backend; do install -m 644 deploy/$$f.sysusers $(DESTDIR)$(PREFIX)/lib/sysusers.d/$$f.conf; done
	test -e $(DESTDIR)/etc/vipasod/vipasod.toml || install -m 644 deploy/vipasod.toml $(DESTDIR)/etc/vipasod/

.PHONY: proofs
proofs: SEEDS = 1000
proofs: prove crash kill fuzz-pure ## what is tried with each commit: a thousand seeds, all mutants, all crash images, kills, fuzzing

.PHONY: prove
prove: prerequisites ## run all tests of the simulator, with SEEDS seeds, OFFLINE payments and the MUTANTS
	@GOGC=400 $(GO) test -count=1 -timeout 0 -v ./cmd/internal/prove -seeds $(SEEDS) -from $(FROM) -offline $(OFFLINE) -mutants "$(MUTANTS)" -out "$(OUT)"

.PHONY: fuzz
fuzz: prerequisites ## run every fuzz target for TIME
	@mkdir -p "$(OUT)"; { tools/fuzz.sh "$(GO)" "$(TIME)"; echo $$? >"$(OUT)/fuzz.status"; } | tee "$(OUT)/fuzz.txt"; exit "$$(cat "$(OUT)/fuzz.status")"

.PHONY: fuzz-pure
fuzz-pure: ## run the fuzz targets of the packages that decide for TIME each
	@$(MAKE) --no-print-directory fuzz FUZZ_IN='$(PURE)'

.PHONY: sim
sim: prerequisites ## simulate SEEDS runs from seed FROM, with every fault; WHOLE=true prints all that happens
	@GOGC=400 $(GO) test -count=1 -timeout 0 -v -run '^TestSimulation$$' ./cmd/internal/prove -seeds $(SEEDS) -from $(FROM) -whole=$(WHOLE) -out "$(OUT)"

.PHONY: mutants
mutants: prerequisites ## break the program in some hundred ways; each must be found by the test that is named for it
	@$(GO) test -count=1 -timeout 0 -v -run '^TestMutants$$' ./cmd/internal/prove -mutants "$(MUTANTS)" -out "$(OUT)"

.PHONY: crash
crash: prerequisites ## cut the power after every write of a till, a customer and the backend, in EACH ways
	@$(GO) test -count=1 -timeout=6h -v -run TestPowerCut ./cmd/internal/prove/crash -each=$(EACH) -out "$(OUT)"

.PHONY: faults
faults: prerequisites ## fail FAULTS calls of each kind, fill disks, flip FLIPS bits, and print what came of it
	@$(GO) test -count=1 -timeout=6h -v -run TestFaults ./cmd/internal/prove/crash -faults=$(FAULTS) -flips=$(FLIPS) -out "$(OUT)"

.PHONY: kill
kill: prerequisites ## kill a till, customers and the backend N times while they pay, and count the money; FROM draws other lots
	@$(GO) test -count=1 -timeout=24h -v -run 'TestKilledAnywhere$$' ./cmd/vipasod -kills=$(N) -kill-seed=$(FROM) -out "$(OUT)"

.PHONY: pairs
pairs: prerequisites ## kill till and customer at every step of a payment, alone and both; hand in OFFLINE payments after a day offline
	@$(GO) test -count=1 -timeout 0 -v -run '^(TestCrashesInPairs|TestDayOffline|TestLadder)$$' ./cmd/internal/prove -offline $(OFFLINE) -out "$(OUT)"

.PHONY: reliability
reliability: prerequisites ## draw what the proofs have found: out/reliability.html, and PICTURE, which is the README's
	@$(GO) run ./cmd/internal/prove/report/draw -in "$(OUT)" -page "$(OUT)/reliability.html" -picture "$(PICTURE)"

.PHONY: cover
cover: prerequisites ## fail unless every statement of the verifier and the machines is tested
	@$(GO) test -coverprofile=coverage.out -coverpkg=$(subst $() $(),$(comma),$(addprefix ./,$(COVERED))) $(addprefix ./,$(COVERED))
	@awk -f tools/cover.awk coverage.out

.PHONY: bench
bench: prerequisites ## run the benchmarks named by BENCH
	$(GO) test -run '^$$' -bench '$(BENCH)' -benchmem $(PKG)

.PHONY: proto
proto: prerequisites ## generate Go from the API definitions
	cd proto && $(TOOL) buf generate

.PHONY: generate
generate: proto ## generate everything that is committed
	$(GO) generate ./...

.PHONY: proto-check
proto-check: prerequisites ## lint the API definitions; generated code current; nothing broken since the last tag
	@tools/proto-check.sh "$(TOOL) buf"

.PHONY: fmt-check vet staticcheck deps check-fsync check-deploy check-grpcurl prerequisites
fmt-check:
	@files=$$(git ls-files -z --cached --others --exclude-standard '*.go' | xargs -0 gofmt -l); \
	test -z "$$files" || { echo "not formatted, run gofmt -w on:"; echo "$$files"; exit 1; }

vet: prerequisites
	$(GO) vet ./...
	$(GO) vet -tags vm ./ble/... ./cmd/vipasod

staticcheck: prerequisites
	$(TOOL) staticcheck ./...

deps: prerequisites
	$(GO) test -run 'TestDeps|TestDocs' ./cmd/vipasod

check-fsync: prerequisites ## count with strace: one fsync for each commit
	@command -v strace >/dev/null || { echo "strace is missing: apt-get install strace"; exit 1; }
	VIPASO_STRACE=1 $(GO) test -count=1 -run TestOneSyncPerCommit ./store

check-deploy:
	@deploy/check.sh

check-grpcurl: prerequisites ## drive a payment with grpcurl alone
	@tools/check-grpcurl.sh "$(GO)"

prerequisites:
	@tools/prerequisites.sh "$(GO)"

comma := ,
