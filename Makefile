# SPDX-License-Identifier: PostgreSQL
# Sources are found, never listed: add a file under src/, tests/unit/ or tests/fuzz/ and it is built. Every variant has
# its own directory, build/<VARIANT>/, so that objects of two variants never meet. What takes more than a line of shell
# is a script in scripts/.

VERSION := 0.1.0
VARIANT ?= release
PREFIX ?= /usr/local
VARIANTS := release debug asan tsan fuzz
ifeq ($(filter $(VARIANT),$(VARIANTS)),)
$(error VARIANT=$(VARIANT) is not one of: $(VARIANTS))
endif
ifeq ($(origin CC),default)
CC := $(if $(filter fuzz,$(VARIANT)),clang,gcc)
endif

B := build/$(VARIANT)
BIN := $(B)/pgherald
LIB := $(B)/libpgherald.a

WARNINGS := -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wstrict-prototypes -Wmissing-prototypes \
	-Wcast-qual -Wformat=2 -Wvla -Wundef -Wswitch-enum $(if $(filter 1,$(WERROR)),-Werror)
SANE := -O1 -g -fno-omit-frame-pointer
FLAGS_release := -O2 -g -D_FORTIFY_SOURCE=3 -fstack-protector-strong -fstack-clash-protection -fPIE
FLAGS_debug := -O0 -g
FLAGS_asan := $(SANE) -fsanitize=address,undefined -fno-sanitize-recover=undefined
FLAGS_tsan := $(SANE) -fsanitize=thread
FLAGS_fuzz := $(SANE) -fsanitize=address,undefined,fuzzer-no-link -fno-sanitize-recover=undefined
LINK_release := -pie -Wl,-z,relro,-z,now,-z,noexecstack

# Asked once per run of make, and only when something is compiled: `make deps` and `make help` work without pkg-config.
PACKAGES := libpq libwebsockets jansson openssl libuv libconfuse jose libcurl libnats
once = $(eval $(1) := $(shell command -v $(CC) >/dev/null && pkg-config $(2) $(PACKAGES)))$(or \
	$($(1)),$(error The compiler or a library is missing: run 'make deps' first))
PKG_CFLAGS = $(call once,PKG_CFLAGS,--cflags)
PKG_LIBS = $(call once,PKG_LIBS,--libs)

COMPILE = $(CC) -std=c17 -D_GNU_SOURCE -DPGHERALD_VERSION='"$(VERSION)"' -Isrc $(WARNINGS) $(FLAGS_$(VARIANT)) $(PKG_CFLAGS) $(CFLAGS) -pthread -MMD -MP
LINK = $(CC) $(FLAGS_$(VARIANT)) $(LINK_$(VARIANT)) $(CFLAGS) $(LDFLAGS) -pthread

SOURCES := $(sort $(shell find src -name '*.c'))
OBJECTS := $(SOURCES:%.c=$(B)/%.o)
LIB_OBJECTS := $(filter-out $(B)/src/main.o,$(OBJECTS)) $(B)/assets_table.o
DOCS := $(patsubst docs/%.md,$(B)/docs/%.html,$(wildcard docs/*.md))
ASSETS := $(filter-out %/README.md,$(wildcard sql/*.sql src/web/*.* examples/*/*.*)) docs/pgherald.service $(DOCS)
UNIT_TESTS := $(patsubst %.c,$(B)/%,$(sort $(shell find tests/unit -name 'test_*.c')))
FAKES := $(B)/libfakes.a
FAKE_OBJECTS := $(patsubst %.c,$(B)/%.o,$(sort $(wildcard tests/fakes/*.c)))
TOOLS := $(patsubst %.c,$(B)/%,$(sort $(wildcard tests/tools/*.c)))
FUZZ_TESTS := $(patsubst tests/fuzz/%.c,$(B)/tests/fuzz/%,$(sort $(wildcard tests/fuzz/fuzz_*.c)))
FUZZ_SECONDS ?= 30
LATER := $(patsubst %,$(B)/later/%/pgherald,3 5)
BENCH := $(addprefix $(B)/bench/,load load-tls relay notified writer)
NODE_MODULES := tests/node_modules/.package-lock.json
INTEGRATION_TESTS ?= $(sort $(wildcard tests/integration/[0-9]*.test.js))
TSAN_TESTS := $(sort $(wildcard $(foreach n,01 02 03 05 12 13 14,tests/integration/$(n)-*.test.js)))
MAJORS ?= 13 14 15 16 17 18
BROWSER_TESTS := $(sort $(wildcard tests/browser/*.test.js tests/browser/*.test.mjs))

.DEFAULT_GOAL := build
.DELETE_ON_ERROR:
.SUFFIXES:
MAKEFLAGS += --no-builtin-rules
.PHONY: help build made programs deps demo test install npm lint format floors unit sql integration matrix browser picture tsan chaos soak chaos-proof cluster cluster-proof ledger corpus fuzz sdk bench instructions promtool clean FORCE

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo "  VARIANT=release|debug|asan|tsan|fuzz (default release), WERROR=1, CC=, CFLAGS=, LDFLAGS="

# ---- for everybody ---------------------------------------------------------------------------------------------------

demo: ## everything from nothing: packages, build, a private Postgres, the example pages
	@scripts/deps.sh $(if $(findstring --nodes,$(DEV_FLAGS)),nodes,build)
	@$(MAKE) --no-print-directory -j"$$(nproc)" VARIANT=release build
	@exec build/release/pgherald dev $(DEV_FLAGS)

test: ## packages for the tests, build, and all tests
	@scripts/deps.sh test
	@scripts/test.sh

deps: ## install the Debian packages that the build needs (apt as root or through sudo)
	@scripts/deps.sh build

build: $(BIN) ## build/VARIANT/pgherald (the default)

# What the tests of a variant run: only asan has the unit tests and the corpora, only release counts instructions.
programs: $(BIN) $(LATER) $(TOOLS) $(NODE_MODULES) build/sdk/xano.min.js build/npm/package.json
ifeq ($(VARIANT),asan)
programs: $(UNIT_TESTS) $(FUZZ_TESTS:%=%.replay)
endif
ifeq ($(VARIANT),release)
programs: $(B)/bench/instructions $(B)/bench/rows $(B)/bench/decode
endif

install: build made ## into DESTDIR and PREFIX (/usr/local)
	install -D -m 755 $(BIN) $(DESTDIR)$(PREFIX)/bin/pgherald
	install -d $(DESTDIR)$(PREFIX)/share/pgherald/sql $(DESTDIR)$(PREFIX)/share/doc/pgherald/docs
	install -m 644 sql/*.sql $(DESTDIR)$(PREFIX)/share/pgherald/sql
	install -d $(DESTDIR)$(PREFIX)/share/man/man1 $(DESTDIR)$(PREFIX)/share/man/man5 $(DESTDIR)$(PREFIX)/share/bash-completion/completions
	install -m 644 $(B)/pgherald.1 $(DESTDIR)$(PREFIX)/share/man/man1
	install -m 644 $(B)/pgherald.conf.5 $(DESTDIR)$(PREFIX)/share/man/man5
	install -m 644 $(B)/pgherald.bash $(DESTDIR)$(PREFIX)/share/bash-completion/completions/pgherald
	install -m 644 README.md CHANGELOG.md LICENSE $(DESTDIR)$(PREFIX)/share/doc/pgherald
	install -m 644 docs/*.md docs/picture.png docs/pgherald.service $(DESTDIR)$(PREFIX)/share/doc/pgherald/docs

made: $(B)/pgherald.1 $(B)/pgherald.conf.5 $(B)/pgherald.bash ## manual pages and completion, from the tables of commands and options

clean: ## remove build/
	rm -rf build

# ---- checks ----------------------------------------------------------------------------------------------------------

lint: ## formatting, clang-tidy, cppcheck, shellcheck, codespell, floors, sizes, syntax of scripts
	@scripts/lint.sh
format: ## clang-format all C files
	clang-format -i $(shell find src tests -name node_modules -prune -o -name '*.[ch]' -print)
floors: ## who may include what
	@scripts/floors.sh

unit: $(UNIT_TESTS) ## unit tests (cmocka)
	@scripts/unit.sh $(UNIT_TESTS)
sql: $(TOOLS) ## the schema's tests (pgTAP)
	@DRAIN=$(abspath $(B)/tests/tools/drain) tests/sql/run.sh
integration: $(BIN) $(LATER) $(NODE_MODULES) ## the real binary against a real Postgres; best with VARIANT=asan
	@PGHERALD_BIN=$(abspath $(BIN)) scripts/node-tests.sh $(or $(STAGE),integration) $(INTEGRATION_TESTS)
matrix: $(BIN) $(TOOLS) $(NODE_MODULES) ## SQL, unit and integration tests on every Postgres: MAJORS='13 18', MATRIX_PARTS='sql smoke'
	+@VARIANT=$(VARIANT) tests/matrix/run.sh $(MAJORS)
browser: $(BIN) build/sdk/xano.min.js build/npm/package.json ## the pages and the npm package in Chromium; PICTURES=1: with screenshots in build/screenshots
	@PGHERALD_BIN=$(abspath $(BIN)) scripts/node-tests.sh browser $(BROWSER_TESTS)
tsan: ## the integration tests that race the threads, under ThreadSanitizer
	@$(MAKE) --no-print-directory VARIANT=tsan STAGE=tsan INTEGRATION_TESTS='$(TSAN_TESTS)' integration
chaos: chaos-deps $(BIN) $(NODE_MODULES) ## everything fails at random, nothing is lost: CHAOS_SECONDS=180, CHAOS_SEED=
	@PGHERALD_BIN=$(abspath $(BIN)) node tests/chaos/run.js
soak: ## an hour of it, at leisure, with one and the same server: nothing may grow: CHAOS_SECONDS=3600
	@$(MAKE) --no-print-directory CHAOS_SECONDS='$(or $(CHAOS_SECONDS),3600)' CHAOS_PAUSE=15 \
	  CHAOS_SPARE='server|dump|standby|PgBouncer' chaos
chaos-proof: chaos-deps $(BIN) $(NODE_MODULES) ## that the chaos run finds what is wrong: seven mutated schemas
	@PGHERALD_BIN=$(abspath $(BIN)) node tests/chaos/prove.js
cluster: chaos-deps $(BIN) $(NODE_MODULES) ## the same over three nodes on hosts of their own: CLUSTER_SECONDS=60, CLUSTER_FAULTS=, CLUSTER_SEED=
	@PGHERALD_BIN=$(abspath $(BIN)) CHAOS_SECONDS=$(or $(CLUSTER_SECONDS),60) CHAOS_FAULTS='$(CLUSTER_FAULTS)' \
	  tests/cluster/namespaces.sh tests/cluster/run.js
cluster-proof: chaos-deps $(BIN) $(NODE_MODULES) ## that the run over nodes finds what is wrong: mistakes planted in a copy of the source, PLANTS=
	@node tests/cluster/prove.js
ledger: $(BIN) $(NODE_MODULES) ## live tables of many pages against SELECT, while all changes and fails: LEDGER_SECONDS=60, LEDGER_PAGES=200
	@PGHERALD_BIN=$(abspath $(BIN)) node tests/ledger/run.js
corpus: $(FUZZ_TESTS:%=%.replay) ## replay the fuzz corpora (gcc, VARIANT=asan)
	@scripts/corpus.sh $(FUZZ_TESTS:%=%.replay)
fuzz: ## fuzz each target for FUZZ_SECONDS (30); new inputs go to the corpus
	@$(MAKE) --no-print-directory VARIANT=fuzz fuzz-run
bench: $(BIN) $(BENCH) $(TOOLS) $(NODE_MODULES) ## how fast it is, beside a bare loop (and PEERS=1: others); build/bench/report.md
	@PGHERALD_BIN=$(abspath $(BIN)) BENCH_PROGRAMS=$(abspath $(B)/bench) node tests/bench/run.js
	@[ -n "$(SCENARIOS)" ] || PGHERALD_BIN=$(abspath $(BIN)) node tests/bench/live.js
instructions: $(B)/bench/instructions $(B)/bench/rows $(B)/bench/decode $(TOOLS) ## instructions per delivery, row and captured change, against their limits (callgrind)
	@tests/bench/instructions.sh $(B)/bench && DRAIN=$(abspath $(B)/tests/tools/drain) tests/bench/triggers.sh
promtool: $(BIN) $(NODE_MODULES) build/promtool ## what Prometheus' own checker says of /metrics
	@PROMTOOL=$(abspath build/promtool) PGHERALD_BIN=$(abspath $(BIN)) scripts/node-tests.sh promtool tests/integration/16-metrics.test.js
picture: $(BIN) $(NODE_MODULES) ## docs/picture.png, of the README, from the real pages in Chromium
	@PGHERALD_BIN=$(abspath $(BIN)) node scripts/picture.mjs
npm: build/npm/package.json ## the browser's client as an npm package, in build/npm
sdk: build/sdk/xano.min.js ## fetch @xano/js-sdk from npm, for examples/chat-xano

.PHONY: chaos-deps
chaos-deps:
	@scripts/deps.sh chaos

.PHONY: fuzz-run
fuzz-run: $(FUZZ_TESTS)
	@for t in $(FUZZ_TESTS); do n=$${t##*/fuzz_}; mkdir -p tests/fuzz/corpus/$$n; echo "fuzzing $$n"; \
	  $$t -max_total_time=$(FUZZ_SECONDS) -artifact_prefix=$(B)/$$n- tests/fuzz/corpus/$$n 2>$(B)/$$n.log || \
	  { tail -40 $(B)/$$n.log; exit 1; }; done

# ---- how files are made ----------------------------------------------------------------------------------------------

# The whole archive: two functions of one name are an error then, and not whichever comes first.
$(BIN): $(B)/src/main.o $(LIB)
	$(LINK) -o $@ $< -Wl,--whole-archive $(LIB) -Wl,--no-whole-archive $(PKG_LIBS)

# The program of a later version: all that is another is what it calls its version of the bus (src/bus/version.h).
$(LATER): $(B)/later/%/pgherald: src/bus/version.c $(B)/src/main.o $(LIB)
	@mkdir -p $(@D)
	@$(COMPILE) -DPGHERALD_BUS_VERSION=$* -c -o $(@D)/version.o $<
	@$(LINK) -o $@ $(B)/src/main.o $(@D)/version.o $(filter-out $(B)/src/bus/version.o,$(LIB_OBJECTS)) $(PKG_LIBS)

$(LIB): $(LIB_OBJECTS) $(B)/objects.list
	@rm -f $@
	@ar rcs $@ $(LIB_OBJECTS)

# An archive, so that a test links only the fakes that it uses.
$(FAKES): $(FAKE_OBJECTS)
	@rm -f $@
	@ar rcs $@ $^

$(B)/%.o: %.c
	@mkdir -p $(@D)
	@echo "  CC  $<"
	@$(COMPILE) -c -o $@ $<

$(B)/assets_table.o: $(B)/assets_table.c
	@$(COMPILE) -c -o $@ $<
$(B)/assets_table.c: $(ASSETS) $(B)/assets.list scripts/assets.sh
	@scripts/assets.sh $(ASSETS) >$@

# The program as it would be without a file and an environment of its own.
$(B)/pgherald.1: $(BIN)
	@env -i $(BIN) config --man >$@
$(B)/pgherald.conf.5: $(BIN)
	@env -i $(BIN) config --man-conf >$@
$(B)/pgherald.bash: $(BIN)
	@env -i $(BIN) config --bash-completion >$@

$(DOCS): $(B)/docs/%.html: docs/%.md docs/index.md scripts/docs.sh
	@mkdir -p $(@D)
	@scripts/docs.sh $< >$@

# These two hold a list and change only when the list does: a file that goes away has no newer date to notice.
$(B)/assets.list: FORCE
	@mkdir -p $(@D)
	@echo '$(ASSETS)' | cmp -s - $@ || echo '$(ASSETS)' >$@
$(B)/objects.list: FORCE
	@mkdir -p $(@D)
	@echo '$(LIB_OBJECTS)' | cmp -s - $@ || echo '$(LIB_OBJECTS)' >$@

$(UNIT_TESTS): %: %.o $(FAKES) $(LIB)
	@$(LINK) -o $@ $^ -lcmocka $(PKG_LIBS)
$(TOOLS): %: %.o $(FAKES) $(LIB)
	@$(LINK) -o $@ $^ $(PKG_LIBS)
$(FUZZ_TESTS): %: %.o $(FAKES) $(LIB)
	@$(LINK) -fsanitize=fuzzer -o $@ $^ $(PKG_LIBS)
$(FUZZ_TESTS:%=%.replay): %.replay: %.o $(B)/tests/fuzz/replay.o $(FAKES) $(LIB)
	@$(LINK) -o $@ $^ $(PKG_LIBS)

# The load generator needs libc and nothing else; what talks to Postgres beside it shares a few of its files.
bench_objects = $(addprefix $(B)/tests/bench/,$(addsuffix .o,$(1)))
LOAD_OBJECTS := $(call bench_objects,$(addprefix load/,load fanout connect listen presence resume pool client dialect stamp histogram usage))
$(B)/bench/load: $(LOAD_OBJECTS) $(call bench_objects,load/stream_plain)
	@mkdir -p $(@D)
	@$(LINK) -o $@ $^
$(B)/bench/load-tls: $(LOAD_OBJECTS) $(call bench_objects,load/tls/stream_tls)
	@mkdir -p $(@D)
	@$(LINK) -o $@ $^ -lssl -lcrypto
$(B)/bench/relay: $(call bench_objects,bare/relay bare/broadcast)
	@mkdir -p $(@D)
	@$(LINK) -o $@ $^
$(B)/bench/notified: $(call bench_objects,bare/notified bare/broadcast)
	@mkdir -p $(@D)
	@$(LINK) -o $@ $^ -lpq
$(B)/bench/writer: $(call bench_objects,bare/writer load/histogram load/stamp load/usage)
	@mkdir -p $(@D)
	@$(LINK) -o $@ $^ -lpq
$(B)/bench/instructions $(B)/bench/rows $(B)/bench/decode: $(B)/bench/%: $(call bench_objects,instructions/%) $(LIB)
	@mkdir -p $(@D)
	@$(LINK) -o $@ $^ $(PKG_LIBS)

$(NODE_MODULES): tests/package-lock.json
	@cd tests && npm ci --no-audit --no-fund --loglevel=error
	@touch $@

# Out of Debian's package, which is not installed: it would start a Prometheus.
build/promtool:
	@mkdir -p build/prometheus && cd build/prometheus && apt-get download -qq prometheus && dpkg-deb -x prometheus_*.deb .
	@cp build/prometheus/usr/bin/promtool $@ && rm -rf build/prometheus

build/npm/package.json: $(NODE_MODULES) scripts/npm.sh $(wildcard clients/js/* src/web/pgherald*.js)
	@scripts/npm.sh $(VERSION)

build/sdk/xano.min.js: $(NODE_MODULES)
	install -D -m 644 tests/node_modules/@xano/js-sdk/dist/$(@F) $@

-include $(shell find $(B) -name '*.d' 2>/dev/null)
