# make           build iommusim                 make test    packages, build, all tests
# make setup     install missing packages       make check   all tests, no packages
# make demo      a first result                 make asan    all tests under ASan and UBSan
# also: tidy format format-check bench golden fuzz minimal install uninstall clean
#
# make CC=clang BUILD=build-clang builds with another compiler beside the first.

BUILD   ?= build
PREFIX  ?= /usr/local
CFLAGS  ?= -O2 -g
FUZZ_SECONDS ?= 60

# A new model, importer, command or test needs no edit here.
LIB_SRC   := $(sort $(wildcard hw/*.c hw/*/*.c sim/*.c traces/*.c analysis/*.c))
CMD_SRC   := $(sort $(wildcard cmd/*.c))
UNIT_SRC  := $(sort $(wildcard tests/unit/*.c tests/reference/*.c))
BENCH_SRC := $(sort $(wildcard tests/bench/*.c))
FUZZ_SRC  := $(sort $(wildcard tests/fuzz/fuzz_*.c))
ALL_SRC   := $(LIB_SRC) $(CMD_SRC) $(UNIT_SRC) $(BENCH_SRC) $(FUZZ_SRC)
ALL_HDR   := $(sort $(wildcard hw/*.h hw/*/*.h sim/*.h traces/*.h analysis/*.h cmd/*.h tests/*/*.h))

LIB_OBJ   := $(LIB_SRC:%.c=$(BUILD)/%.o)
CMD_OBJ   := $(CMD_SRC:%.c=$(BUILD)/%.o)
UNIT_OBJ  := $(UNIT_SRC:%.c=$(BUILD)/%.o)
BENCH_OBJ := $(BENCH_SRC:%.c=$(BUILD)/%.o)
FUZZ_OBJ  := $(FUZZ_SRC:%.c=$(BUILD)/%.o)
# What commands share has a header; unit tests reach these parts, not the commands.
CMD_PARTS := $(patsubst %.h,$(BUILD)/%.o,$(filter-out cmd/command.h,$(wildcard cmd/*.h)))

LIB       := $(BUILD)/libiommusim.a
BIN       := $(BUILD)/iommusim
# Programs exist only where they have sources.
UNIT_BIN  := $(if $(UNIT_SRC),$(BUILD)/unit-tests)
BENCH_BIN := $(if $(BENCH_SRC),$(BUILD)/bench)

WARN    := -Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes -Werror
# The trace libraries' headers include each other without their folders; -isystem: not our warnings.
# Quiet, because `make setup` comes here before pkg-config is installed.
TRACE_CMD := libtracecmd libtraceevent
INCLUDES  := -I. $(patsubst -I%,-isystem %,$(shell pkg-config --cflags $(TRACE_CMD) 2>/dev/null))
C_FLAGS := -std=c11 -D_POSIX_C_SOURCE=200809L $(WARN) $(INCLUDES) $(CPPFLAGS) $(CFLAGS)
# gcc compiles each program as a whole, which gains an eighth on updates (make bench, strict) and takes half a
# minute a program: `make LTO=` links at once.
LTO     ?= $(if $(filter -O2,$(CFLAGS)),$(if $(shell $(CC) -v 2>&1 | grep '^gcc version'),-flto=auto))
C_FLAGS += $(LTO)
AR      := $(if $(LTO),gcc-ar,$(AR))
# Criterion finds the rows of parameterized tests in a section of their own, from which gcc drops them otherwise.
$(BUILD)/tests/%.o: C_FLAGS += $(if $(LTO),-fno-lto)
LIBS    := -lzstd -lsqlite3 -lyaml -ltracecmd -ltraceevent -lm -lpthread

.DELETE_ON_ERROR:
.PHONY: all setup demo test check asan tidy format format-check bench golden fuzz include-check \
	verify marks-units minimal man install uninstall clean FORCE

all: $(BIN)

# ---- build ------------------------------------------------------------------------------

$(BIN): $(CMD_OBJ) $(LIB)
	$(CC) $(CFLAGS) $(LTO) $(LDFLAGS) -o $@ $(CMD_OBJ) $(LIB) $(LIBS)

# Made anew, so that an object whose source is gone does not stay inside.
$(LIB): $(LIB_OBJ) $(BUILD)/sources
	rm -f $@
	$(AR) rcs $@ $(LIB_OBJ)

$(BUILD)/unit-tests: $(UNIT_OBJ) $(CMD_PARTS) $(LIB)
	$(CC) $(CFLAGS) $(LTO) $(LDFLAGS) -o $@ $(UNIT_OBJ) $(CMD_PARTS) $(LIB) -lcriterion $(LIBS)

$(BUILD)/bench: $(BENCH_OBJ) $(LIB)
	$(CC) $(CFLAGS) $(LTO) $(LDFLAGS) -o $@ $(BENCH_OBJ) $(LIB) $(LIBS)

# The model is the replay loop's inside: -O3 there gained a fifth on misses (make bench, zipf).
# Checking a block's columns is a handful of loops that -O3 makes vectors of.
$(BUILD)/hw/%.o $(BUILD)/traces/imt_decode.o $(BUILD)/traces/imt_columns.o: C_FLAGS += $(if $(filter -O2,$(CFLAGS)),-O3 -fno-tree-slp-vectorize)

$(BUILD)/%.o: %.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(CC) $(C_FLAGS) -MMD -MP -c -o $@ $<

# These two change only when what they hold changes: other flags or a removed file rebuild.
$(BUILD)/flags: FORCE
	@mkdir -p $(@D)
	@echo '$(CC) $(C_FLAGS)' | cmp -s - $@ || echo '$(CC) $(C_FLAGS)' >$@
$(BUILD)/sources: FORCE
	@mkdir -p $(@D)
	@echo '$(LIB_SRC)' | cmp -s - $@ || echo '$(LIB_SRC)' >$@

-include $(LIB_OBJ:.o=.d) $(CMD_OBJ:.o=.d) $(UNIT_OBJ:.o=.d) $(BENCH_OBJ:.o=.d) $(FUZZ_OBJ:.o=.d)

setup:
	@scripts/setup.sh

# ---- first result -----------------------------------------------------------------------

demo: setup
	@$(MAKE) --no-print-directory all
	@scripts/demo.sh $(BIN) $(BUILD)/demo

# ---- tests ------------------------------------------------------------------------------

test: setup
	@$(MAKE) --no-print-directory check

# Fuzz targets are compiled, so that they keep up with what they call; `make fuzz` runs them.
check: $(BIN) $(UNIT_BIN) $(FUZZ_OBJ)
	@$(MAKE) --no-print-directory BUILD=$(BUILD)/marks CPPFLAGS=-DMARK_OMIT LTO= all marks-units
	@tests/run.sh $(BUILD)

marks-units: $(UNIT_BIN)

# Millions of random events, a minute or two; `make check` takes fewer.
verify: $(BIN)
	@tests/verify/run.sh $(BIN) 100000

# Criterion passes a test that leaks, so the sanitizers' own reports decide.
SANITIZE := -O1 -g -DSANITIZED -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all
asan:
	rm -rf build-asan/reports
	mkdir -p build-asan/reports
	ASAN_OPTIONS=log_path=$(CURDIR)/build-asan/reports/asan \
	UBSAN_OPTIONS=print_stacktrace=1:log_path=$(CURDIR)/build-asan/reports/ubsan \
	$(MAKE) check BUILD=build-asan CFLAGS='$(SANITIZE)'; status=$$?; \
	! cat build-asan/reports/* 2>/dev/null && exit $$status

# Rewrites every expectation from what the program prints now; review the diff.
golden: $(BIN)
	tests/scenarios/run.sh --golden $(BIN)
	tests/cli/run.sh --golden $(BIN)

include-check:
	@scripts/include-check.sh

# tests/bench/run.sh decides what is measured, when there is one.
bench: $(BIN) $(BENCH_BIN)
	$(if $(wildcard tests/bench/run.sh),tests/bench/run.sh $(BUILD),$(or $(BENCH_BIN),\
		@echo 'bench: tests/bench/ holds no benchmark' >&2; exit 2))

FUZZ_FLAGS := -std=c11 -D_POSIX_C_SOURCE=200809L $(WARN) $(INCLUDES) -O1 -g -DSANITIZED \
	-DTRACEDAT_STUCK_SECONDS=5 -fsanitize=fuzzer,address,undefined \
	-fno-sanitize-recover=all
fuzz: $(FUZZ_SRC:tests/fuzz/%.c=fuzz-run-%)
build-fuzz/%: tests/fuzz/%.c $(LIB_SRC) $(ALL_HDR)
	@mkdir -p $(@D)
	clang $(FUZZ_FLAGS) -o $@ $< $(LIB_SRC) $(LIBS)
# Its library may ask for any amount, in a process of its own.
fuzz-run-fuzz_tracedat: FUZZ_ARGS := -malloc_limit_mb=1000000
# Seeds are in tests/fuzz/seeds/NAME/; what a run finds stays in build-fuzz/ and is not needed again.
fuzz-run-%: build-fuzz/%
	@mkdir -p build-fuzz/corpus-$* build-fuzz/found-$*
	build-fuzz/$* -max_total_time=$(FUZZ_SECONDS) -timeout=10 -rss_limit_mb=1024 -print_final_stats=1 $(FUZZ_ARGS) \
		-artifact_prefix=build-fuzz/found-$*/ build-fuzz/corpus-$* $(wildcard tests/fuzz/seeds/$*)

# Debian's smallest system, a fresh clone, demo and test inside it. Root, network, minutes.
minimal:
	tests/minimal/run.sh

# ---- care for the sources ---------------------------------------------------------------

TIDY_FLAGS := -std=c11 -D_POSIX_C_SOURCE=200809L $(INCLUDES)
tidy:
	printf '%s\n' $(LIB_SRC) $(CMD_SRC) | xargs -P "$$(nproc)" -I{} \
		clang-tidy --quiet --warnings-as-errors='*' {} -- $(TIDY_FLAGS)
	cppcheck --quiet --std=c11 --enable=warning,performance,portability --inline-suppr \
		--suppress=missingIncludeSystem --error-exitcode=1 -I. $(LIB_SRC) $(CMD_SRC)

format:
	clang-format -i $(ALL_SRC) $(ALL_HDR)

format-check:
	clang-format --dry-run --Werror $(ALL_SRC) $(ALL_HDR)

# ---- installation -----------------------------------------------------------------------

MAN_DIR        = $(DESTDIR)$(PREFIX)/share/man/man1
COMPLETION_DIR = $(DESTDIR)$(PREFIX)/share/bash-completion/completions

# Written from --help, so that pages and program never differ.
man: $(BIN)
	scripts/man-pages.sh $(BIN) $(BUILD)/man

install: $(BIN) man
	install -d $(DESTDIR)$(PREFIX)/bin $(MAN_DIR) $(COMPLETION_DIR)
	install -m 755 $(BIN) $(DESTDIR)$(PREFIX)/bin/iommusim
	install -m 644 $(BUILD)/man/*.1 $(MAN_DIR)
	install -m 644 share/completions/iommusim.bash $(COMPLETION_DIR)/iommusim

uninstall:
	rm -f $(DESTDIR)$(PREFIX)/bin/iommusim $(MAN_DIR)/iommusim.1 $(MAN_DIR)/iommusim-*.1 \
		$(COMPLETION_DIR)/iommusim

clean:
	rm -rf build build-asan build-clang build-fuzz
