# sipward: `sudo make run` and `sudo make test` are all a newcomer needs; they install what is
# missing.
BUILD ?= build
SAN ?=
ifeq ($(origin CC),default)
CC := gcc
endif
# make V=1 shows the commands
V ?=
Q := $(if $(V),,@)
comma := ,
say = @$(if $(V),true,echo '  $(1)')
VERSION := 0.1.0
# where `make install` puts the workers, and where sipward then looks for them; by default beside it
LIBEXEC ?=

CFLAGS_COMMON = -std=gnu11 -D_GNU_SOURCE -DSIPWARD_VERSION='"$(VERSION)"' -I. -g \
	$(if $(LIBEXEC),-DSIPWARD_LIBEXEC='"$(LIBEXEC)"') \
	-fno-omit-frame-pointer -fno-strict-aliasing \
	-Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wformat=2 \
	-Wpointer-arith -Wundef -Werror -MMD -MP $(if $(findstring clang,$(CC)),$(CLANG_FLAGS))
# what clang warns of and gcc does not: libseccomp's macros, and images with their rows in tests
CLANG_FLAGS = -Wno-missing-field-initializers -Wno-gnu-variable-sized-type-not-at-end
ifneq ($(SAN),)
CFLAGS += $(CFLAGS_COMMON) -O1 -fsanitize=address,undefined -fno-sanitize-recover=all
LDFLAGS += -fsanitize=address,undefined
else
CFLAGS += $(CFLAGS_COMMON) -O2 -D_FORTIFY_SOURCE=2 -fstack-protector-strong \
	-fstack-clash-protection -fcf-protection -fPIE
LDFLAGS += -pie -Wl,-z,relro,-z,now,-z,noexecstack
endif
LDFLAGS += -Wl,--as-needed

# the kinds of workers: sipward-NAME is linked from the part NAME, whose folder is worker-NAME
WORKERS := $(shell sed -n 's/^ROLE.[A-Z_]*, [A-Z], "\([a-z]*\)".*/\1/p' ipc/roles.def)

# folder of each part, and the libraries of its own
PARTS := common ipc mesh worker $(WORKERS) master ctl
DIR_common := common
DIR_ipc := ipc
DIR_mesh := ipc
DIR_worker := worker
$(foreach w,$(WORKERS),$(eval DIR_$(w) := worker-$(w)))
DIR_master := master
DIR_ctl := sipwardctl
OWN_LIBS_common := -lsodium
OWN_LIBS_ipc := -lpcre2-8 -ljansson
OWN_LIBS_mesh := -lzmq
OWN_LIBS_worker := -lseccomp
OWN_LIBS_transport := -lwslay -lssl -lcrypto
OWN_LIBS_sip := -losip2 -losipparser2 -llmdb -lcrypto -lcares
OWN_LIBS_tls := -lcrypto
OWN_LIBS_web := -lmicrohttpd
OWN_LIBS_master := -lconfuse -ljansson
OWN_LIBS_ctl := -ljansson -lcrypto

# the arrows: a part uses what is below it, and a program never another program
# (tests/scenario/test_arrows.py); a worker links the mesh only where it is said here
BELOW_common :=
BELOW_ipc := common
BELOW_mesh := ipc common
BELOW_worker := ipc common
$(foreach w,$(WORKERS),$(eval BELOW_$(w) := worker ipc common))
BELOW_transport := mesh worker ipc common
BELOW_sip := mesh worker ipc common
BELOW_master := worker ipc common
BELOW_ctl := ipc common

# mesh lies in ipc/, but is a part of its own: only those who link it have libzmq
MESH := $(wildcard ipc/mesh*.c)
SOURCES_of = $(if $(filter mesh,$(1)),$(MESH),$(filter-out $(DIR_$(1))/main.c $(MESH), \
	$(wildcard $(DIR_$(1))/*.c $(DIR_$(1))/*/*.c)))
HEADERS_of = $(wildcard $(DIR_$(1))/*.h $(DIR_$(1))/*/*.h)
OBJECTS_of = $(patsubst %.c,$(BUILD)/obj/%.o,$(call SOURCES_of,$(1)))
ARCHIVES_of = $(foreach p,$(1) $(BELOW_$(1)),$(BUILD)/lib/$(p).a)
LIBS_of = $(foreach p,$(1) $(BELOW_$(1)),$(OWN_LIBS_$(p)))
# links $@ from the objects given; part 1 and what is below it, objects 2, more libraries 3
LINK = $(Q)$(CC) $(LDFLAGS) -o $@ $(2) $(call ARCHIVES_of,$(1)) $(call LIBS_of,$(1)) $(3)

PROGRAMS := sipward sipwardctl $(WORKERS:%=sipward-%)
PART_of_sipward := master
PART_of_sipwardctl := ctl
$(foreach w,$(WORKERS),$(eval PART_of_sipward-$(w) := $(w)))
MAIN_of = $(BUILD)/obj/$(DIR_$(PART_of_$(1)))/main.o
all: $(PROGRAMS:%=$(BUILD)/bin/%) $(BUILD)/bin/sipward-init
$(BUILD)/bin/sipward-init: deploy/sipward-init
	@mkdir -p $(@D)
	$(Q)install -m 0755 $< $@

$(BUILD)/obj/%.o: %.c
	@mkdir -p $(@D)
	$(call say,cc $<)
	$(Q)$(CC) $(CFLAGS) -c $< -o $@

# the page is in it
$(BUILD)/obj/worker-web/page.o: worker-web/page.html

define PART
objects-$(1): $(call OBJECTS_of,$(1))
$(BUILD)/lib/$(1).a: $(call OBJECTS_of,$(1))
	@mkdir -p $$(@D)
	@rm -f $$@
	$(Q)ar rcs $$@ $$^
endef
$(foreach p,$(PARTS),$(eval $(call PART,$(p))))

define PROGRAM
$(BUILD)/bin/$(1): $(call MAIN_of,$(1)) $(call ARCHIVES_of,$(PART_of_$(1)))
	@mkdir -p $$(@D)
	$(call say,link $(1))
	$$(call LINK,$(PART_of_$(1)),$$<)
endef
$(foreach p,$(PROGRAMS),$(eval $(call PROGRAM,$(p))))

# the programs once more, with workers that a message can end (worker/crash_hook.h): for tests,
# never in bin
HOOK := $(BUILD)/hook
WITH_HOOK := transport sip
HOOKED_transport := worker-transport/to_sip worker-transport/stream_input
HOOKED_sip := worker-sip/main
$(HOOK)/obj/%.o: %.c
	@mkdir -p $(@D)
	$(call say,cc $< (hook))
	$(Q)$(CC) $(CFLAGS) -DSIPWARD_CRASH_HOOK -c $< -o $@
define HOOKED
$(HOOK)/bin/sipward-$(1): $(HOOKED_$(1):%=$(HOOK)/obj/%.o) $(HOOK)/obj/tests/hook/crash_hook.o \
		$(if $(filter worker-$(1)/main,$(HOOKED_$(1))),,$(BUILD)/obj/worker-$(1)/main.o) \
		$(BUILD)/bin/sipward-$(1)
	@mkdir -p $$(@D)
	$(call say,link sipward-$(1) (hook))
	$$(call LINK,$(1),$$(filter %.o,$$^))
endef
$(foreach w,$(WITH_HOOK),$(eval $(call HOOKED,$(w))))
$(patsubst %,$(HOOK)/bin/%,$(filter-out $(WITH_HOOK:%=sipward-%),$(PROGRAMS))): \
		$(HOOK)/bin/%: $(BUILD)/bin/%
	@mkdir -p $(@D)
	$(Q)cp $< $@

# and once more as on a kernel without a gate for another architecture (tests/hook/no_gate.c)
NO_GATE := $(BUILD)/no-gate
define WITHOUT_GATE
$(NO_GATE)/bin/$(1): $(call MAIN_of,$(1)) $(BUILD)/obj/tests/hook/no_gate.o $(BUILD)/bin/$(1)
	@mkdir -p $$(@D)
	$(call say,link $(1) (no gate))
	$$(call LINK,$(PART_of_$(1)),$$(filter %.o,$$^))
endef
$(foreach p,$(filter-out sipwardctl,$(PROGRAMS)),$(eval $(call WITHOUT_GATE,$(p))))
$(NO_GATE)/bin/sipwardctl: $(BUILD)/bin/sipwardctl
	@mkdir -p $(@D)
	$(Q)cp $< $@
hook: $(PROGRAMS:%=$(HOOK)/bin/%) $(PROGRAMS:%=$(NO_GATE)/bin/%)

# unit tests: tests/unit/PART-NOUN.c, each a Criterion program of its own
UNIT := $(patsubst tests/unit/%.c,%,$(wildcard tests/unit/*.c))
part_of = $(firstword $(subst -, ,$(1)))
# a SIP worker's tests hand it what the parser makes of a text (tests/unit/sip-worker.h)
UNIT_WITH_sip := $(patsubst %.c,$(BUILD)/obj/%.o,$(wildcard worker-transport/parse/parse*.c))
define UNIT_TEST
$(BUILD)/unit/$(1): $(BUILD)/obj/tests/unit/$(1).o $(UNIT_WITH_$(call part_of,$(1))) \
		$(call ARCHIVES_of,$(call part_of,$(1)))
	@mkdir -p $$(@D)
	$(call say,link unit/$(1))
	$$(call LINK,$(call part_of,$(1)),$$< $(UNIT_WITH_$(call part_of,$(1))), \
		-lcriterion -lpthread)
endef
$(foreach u,$(UNIT),$(eval $(call UNIT_TEST,$(u))))
unit-test: $(BUILD)/unit/$(T)
	$(BUILD)/unit/$(T)
unit: $(UNIT:%=$(BUILD)/unit/%) $(BUILD)/jail/driver

# a worker that was taken over (tests/jail)
$(BUILD)/jail/driver: $(BUILD)/obj/tests/jail/driver.o $(call ARCHIVES_of,transport)
	@mkdir -p $(@D)
	$(call say,link jail/driver)
	$(call LINK,transport,$<)

# what Debian has to give; installs only what is missing, and only as root; daemons among it
# (Kamailio) are not to start by themselves
KINDS = build test
PACKAGES = $(shell awk -v kinds="$(KINDS)" \
	'!/^\#/ && NF==2 && index(" " kinds " ", " " $$1 " ") {print $$2}' deploy/packages)
deps:
	@deploy/install-packages "$(KINDS)" $(PACKAGES)

run: deps
	@$(MAKE) --no-print-directory -s all
	@deploy/run-demo $(BUILD)/bin

test: deps
	@$(MAKE) --no-print-directory -s -j2 all unit hook doc
	@tests/run --build $(BUILD)

# calls to a Kamailio over TLS; part of `make test` too where it is there, but not installed for
# that
test-peers:
	@$(MAKE) --no-print-directory -s deps KINDS="build test bench"
	@$(MAKE) --no-print-directory -s -j2 all
	@tests/run --build $(BUILD) --scenario --only kamailio

# the load tests at full size: 5,000 calls and 2,000 registrations at 500 a second; wants the
# machine for itself
test-load: deps
	@$(MAKE) --no-print-directory -s -j2 all
	@SIPWARD_LOAD_RATE=500 SIPWARD_LOAD_CALLS=5000 SIPWARD_LOAD_REGISTRATIONS=2000 \
		tests/run --build $(BUILD) --scenario --only test_sipp

# 100,000 calls with every kind of end, whose records have to agree with counters and with sipp
soak-cdr: deps
	@$(MAKE) --no-print-directory -s -j2 all
	@SIPWARD_CDR_CALLS=16667 SIPWARD_CDR_RATE=80 \
		tests/run --build $(BUILD) --scenario --seconds 1200 --only test_cdr_load

test-asan: deps
	@$(MAKE) --no-print-directory -s -j2 BUILD=$(BUILD)/asan SAN=1 all unit hook
	@tests/run --build $(BUILD)/asan

# a browser as a phone: Chromium, and JsSIP from npm. npm comes with some builds of node; Debian's
# is installed only where there is none
BROWSER := $(BUILD)/browser
$(BROWSER)/jssip.js: tests/browser/package.json tests/browser/package-lock.json
	@mkdir -p $(@D) && cp $^ $(@D)
	$(call say,npm ci)
	$(Q)cd $(@D) && npm ci --ignore-scripts --no-audit --no-fund --silent && \
		node_modules/.bin/esbuild node_modules/jssip/lib/JsSIP.js --bundle --format=iife \
			--global-name=JsSIP --log-level=warning --outfile=jssip.js
test-browser:
	@$(MAKE) --no-print-directory -s deps \
		KINDS="build test browser $(if $(shell command -v npm),,npm)"
	@$(MAKE) --no-print-directory -s -j2 all $(BROWSER)/jssip.js
	@SIPWARD_BUILD=$(abspath $(BUILD)) PYTHONDONTWRITEBYTECODE=1 \
		timeout 600 python3 -m unittest -v tests/browser/test_browser.py \
		tests/browser/test_page.py

# the real programs under valgrind, from start to stop; its own system calls and /proc are what a
# jail takes away
valgrind:
	@$(MAKE) --no-print-directory -s deps KINDS="build test valgrind"
	@CFLAGS="-DSIPWARD_UNJAILED -DSIPWARD_VALGRIND" \
		$(MAKE) --no-print-directory -s -j2 BUILD=$(BUILD)/valgrind all
	@tests/valgrind --build $(BUILD)/valgrind

# fuzz targets: make fuzz [FUZZ_SECONDS=600] [FUZZ_TARGETS="parse message"]
FUZZ_SECONDS ?= 600
FUZZ_TARGETS ?= $(FUZZ_ALL)
FUZZ_COUNT ?=
FUZZ := $(BUILD)/fuzz
FUZZ_ALL := $(patsubst tests/fuzz/%.c,%,$(wildcard tests/fuzz/*.c))
FUZZ_CFLAGS = $(CFLAGS_COMMON) $(CLANG_FLAGS) -Wno-missing-prototypes -O1 \
	-fno-sanitize-recover=all $(FUZZ_COUNT)
FUZZ_PART_of = $(if $(filter config control userfile,$(1)),master,$(if \
	$(filter challenge dns hosts multipart splice,$(1)),sip,transport))
FUZZ_SOURCES_of = $(foreach p,$(1) $(BELOW_$(1)),$(call SOURCES_of,$(p)))
FUZZ_OBJECTS_of = $(patsubst %.c,$(FUZZ)/obj/%.o,$(call FUZZ_SOURCES_of,$(1)))
$(FUZZ)/obj/%.o: %.c
	@mkdir -p $(@D)
	$(call say,cc $< (fuzz))
	$(Q)clang $(FUZZ_CFLAGS) -fsanitize=fuzzer-no-link,address,undefined -c $< -o $@
# what is passed on is parsed before and after that
FUZZ_PARSER_of = $(if $(filter splice,$(1)), \
	$(patsubst %.c,$(FUZZ)/obj/%.o,$(wildcard worker-transport/parse/*.c)))
define FUZZ_TARGET
$(FUZZ)/$(1): $(FUZZ)/obj/tests/fuzz/$(1).o $(call FUZZ_OBJECTS_of,$(2)) $(call FUZZ_PARSER_of,$(1))
	$(call say,link fuzz/$(1))
	$(Q)clang $(FUZZ_COUNT) -fsanitize=fuzzer,address,undefined -o $$@ $$^ $(call LIBS_of,$(2))
endef
$(foreach t,$(FUZZ_ALL),$(eval $(call FUZZ_TARGET,$(t),$(call FUZZ_PART_of,$(t)))))
# what each starts from: its own corpus, where it has one, that of the parser where it reads
# messages, too, and the torture messages
FUZZ_FLAGS = -max_len=8192 -dict=tests/fuzz/sip.dict
FUZZ_SEEDS_of = $(wildcard tests/fuzz/corpus/$(1)) \
	$(if $(filter differential splice,$(1)),tests/fuzz/corpus/parse) \
	tests/torture/rfc4475 tests/torture/rfc5118
FUZZ_RUN = mkdir -p $(BUILD)/corpus/$(1) && $(FUZZ)/$(1) -max_total_time=$(FUZZ_SECONDS) \
	$(FUZZ_FLAGS) $(2) $(BUILD)/corpus/$(1) $(call FUZZ_SEEDS_of,$(1))
fuzz:
	@$(MAKE) --no-print-directory -s deps KINDS="build fuzz"
	@$(MAKE) --no-print-directory -s -j2 $(FUZZ_TARGETS:%=$(FUZZ)/%)
	@$(foreach t,$(FUZZ_TARGETS),$(call FUZZ_RUN,$(t),-jobs=2 -workers=2) &&) true

# each target over its corpus and some seconds more, always the same way: has a change broken what
# they hold? What is new is for `make fuzz` to find.
fuzz-smoke:
	@$(MAKE) --no-print-directory -s deps KINDS="build fuzz"
	@$(MAKE) --no-print-directory -s -j2 $(FUZZ_TARGETS:%=$(FUZZ)/%)
	@$(MAKE) --no-print-directory -s -j2 FUZZ_SECONDS=5 $(FUZZ_TARGETS:%=smoke-%)
$(FUZZ_ALL:%=smoke-%): smoke-%:
	@$(call FUZZ_RUN,$*,-seed=1 -artifact_prefix=$(FUZZ)/$*- -timeout=10) \
		>$(FUZZ)/$*.log 2>&1 || \
		{ tail -n 60 $(FUZZ)/$*.log; exit 1; }
	@echo "fuzz $*: $$(grep -o '^Done.*' $(FUZZ)/$*.log)"

# the same targets counting lines: which of the parser's, of the block check's and of what passes
# between the legs does the corpus reach?
FUZZ_COVERED := parse message differential hosts multipart splice
fuzz-coverage:
	@$(MAKE) --no-print-directory -s deps KINDS="build fuzz"
	@$(MAKE) --no-print-directory -s -j2 BUILD=$(BUILD)/coverage \
		FUZZ_COUNT="-fprofile-instr-generate -fcoverage-mapping" \
		$(FUZZ_COVERED:%=$(BUILD)/coverage/fuzz/%)
	@tests/fuzz/coverage --build $(BUILD)/coverage \
		$(if $(wildcard $(BUILD)/corpus),--corpus $(BUILD)/corpus)

# the steps of a message's way one by one, in instructions that repeat; their figures stand in
# tests/bench/BASELINE.md
MICRO := $(wildcard tests/bench/micro*.c)
$(BUILD)/bench/micro: $(MICRO) $(wildcard tests/bench/micro*.h) \
		$(foreach p,sip transport mesh worker ipc common, \
			$(call HEADERS_of,$(p)) $(BUILD)/lib/$(p).a)
	@mkdir -p $(@D)
	$(call say,link bench/micro)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $(MICRO) $(BUILD)/lib/transport.a \
		$(call ARCHIVES_of,sip) $(call LIBS_of,sip) $(call LIBS_of,transport)
bench-micro bench-baseline:
	@$(MAKE) --no-print-directory -s deps KINDS="build valgrind"
	@$(MAKE) --no-print-directory -s -j2 $(BUILD)/bench/micro
	@tests/bench/micro.py --build $(BUILD) $(if $(filter %-baseline,$@),--baseline)

# all figures in one table, against Kamailio; wants the machine for itself, for about an hour
bench:
	@$(MAKE) --no-print-directory -s deps KINDS="build test bench valgrind"
	@$(MAKE) --no-print-directory -s -j2 all $(BUILD)/bench/micro
	@tests/bench/run --build $(BUILD)

# isolated keys against keys in the same process, and registrations over TLS against Kamailio's;
# the wrapped functions are the bench's switch
BENCH_WRAP := -Wl$(comma)--wrap=sign_provider_key$(comma)--wrap=SSL_CTX_ctrl
$(BUILD)/bench/tls: $(BUILD)/obj/tests/bench/tls.o $(BUILD)/lib/tls.a $(call ARCHIVES_of,transport)
	@mkdir -p $(@D)
	$(call say,link bench/tls)
	$(call LINK,transport,$(BENCH_WRAP) $< $(BUILD)/lib/tls.a)
bench-tls:
	@$(MAKE) --no-print-directory -s deps KINDS="build test bench"
	@$(MAKE) --no-print-directory -s all $(BUILD)/bench/tls
	@$(BUILD)/bench/tls
	@tests/bench/register-tls $(BUILD)/bin

# the man pages, from the tables and the hand-written parts in doc/*.in
MAN := $(patsubst doc/%.in,$(BUILD)/man/%,$(wildcard doc/*.[1-8].in))
$(MAN) &: doc/make-man $(wildcard doc/*.[1-8].in) ipc/options.def ipc/roles.def ipc/commands.def \
		common/counters.def worker-sip/call/call_record.def
	$(call say,man pages)
	$(Q)CC="$(CC)" doc/make-man --version $(VERSION) --to $(BUILD)/man
doc: $(MAN)

PREFIX ?= /usr/local
WORKERS_TO = $(or $(LIBEXEC),$(PREFIX)/sbin)
install: all doc
	install -d $(DESTDIR)$(PREFIX)/sbin $(DESTDIR)$(WORKERS_TO) $(DESTDIR)/etc/sipward
	install -m 0755 $(BUILD)/bin/sipward $(BUILD)/bin/sipwardctl $(DESTDIR)$(PREFIX)/sbin
	install -m 0755 $(WORKERS:%=$(BUILD)/bin/sipward-%) deploy/sipward-init \
		$(DESTDIR)$(WORKERS_TO)
	install -D -m 0644 deploy/sipward.conf $(DESTDIR)$(PREFIX)/share/sipward/sipward.conf
	$(BUILD)/bin/sipwardctl completion >$(BUILD)/completion
	install -D -m 0644 $(BUILD)/completion \
		$(DESTDIR)$(PREFIX)/share/bash-completion/completions/sipwardctl
	for page in $(MAN); do \
		to=$(DESTDIR)$(PREFIX)/share/man/man$${page##*.}; \
		install -D -m 0644 $$page $$to/$${page##*/}; \
	done
	[ -e $(DESTDIR)/etc/sipward/sipward.conf ] || \
		install -m 0640 deploy/sipward.conf $(DESTDIR)/etc/sipward/sipward.conf

# the Debian package, built in a copy of the tree and looked at by lintian: build/deb/*.deb
DEB := $(BUILD)/deb
deb:
	@$(MAKE) --no-print-directory -s deps KINDS="build package"
	@rm -rf $(DEB) && mkdir -p $(DEB)/sipward
	@tar -c --exclude=./$(BUILD) --exclude=./build --exclude=./.git . | tar -x -C $(DEB)/sipward
	$(Q)cd $(DEB)/sipward && env -u MAKEFLAGS -u MAKELEVEL dpkg-buildpackage -b -us -uc \
		$(if $(V),,>../build.log 2>&1 || { tail -n 40 ../build.log; exit 1; })
	@rm -rf $(DEB)/sipward
	$(Q)lintian --fail-on error --suppress-tags bad-distribution-in-changes-file \
		$(DEB)/*.changes
	@ls $(DEB)/*.deb

# what must hold of every commit beside its tests (.ci/run): form, and what two tools read in it
CHECK_DEPS = @$(MAKE) --no-print-directory -s deps KINDS="build check"
check-format:
	$(CHECK_DEPS)
	@tests/check-format
check-static:
	$(CHECK_DEPS)
	@$(MAKE) --no-print-directory -s compile_commands.json
	@tests/check-static
# how each file is compiled, for editors and clang-tidy; what tests/hook replaces stands twice
compile_commands.json: CC := clang
compile_commands.json:
	$(Q)tests/compile-commands $(CC) $(CFLAGS) -- \
		$(filter-out tests/hook/%,$(shell git ls-files '*.c')) >$@

format:
	git ls-files '*.c' '*.h' | xargs clang-format -i
	git grep -lI -e '^#!/usr/bin/python3' --or -e '^import ' -- tests deploy | \
		xargs black -q -l 100

clean:
	rm -rf $(BUILD) compile_commands.json

.PHONY: all clean deb deps doc hook run soak-cdr test test-load test-asan test-browser test-peers \
	valgrind fuzz fuzz-smoke fuzz-coverage bench bench-tls bench-micro bench-baseline \
	check-format check-static compile_commands.json format install unit unit-test \
	$(PARTS:%=objects-%) $(FUZZ_ALL:%=smoke-%)
# what a package is built in has folders of that name
-include $(shell find $(BUILD) -path $(DEB) -prune -o -name '*.d' -print 2>/dev/null)
