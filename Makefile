# The front door. Meson and ninja build, the scripts in tools/ do the work; this file only gives it names.
BUILD := build
PREFIX ?= /usr/local
PROGRAMS := aquifer aquifer-control aquifer-pull

.PHONY: build run stop check bench torture fuzz golden install clean format

build:
	@tools/setup build
	@tools/build $(BUILD) $(PROGRAMS) -- -Dwhole=true

run:
	@tools/run

stop:
	@tools/stop

check:
	@tools/check

# BENCH_ARGS=--quick for a short look; docs/performance.md tells the rest.
bench: build
	@tools/setup bench
	@tools/build $(BUILD) bench-programs
	@bench/run --build $(BUILD) $(BENCH_ARGS)

# The long versions of what `make check` does in short: kills under load, faults at every write, soak.
torture:
	@tools/check --torture

fuzz:
	@tools/check --only fuzz

# The pair matrix' golden files and docs/compatibility.md, written anew.
golden: build
	@tools/setup check clients
	@tools/build $(BUILD) src/wire/wire_matrix
	@python3 tests/matrix/matrix.py --write

install: build
	@meson configure $(BUILD) --prefix=$(PREFIX)
	@ninja -C $(BUILD) install

format:
	@tools/setup check
	@tools/format

clean:
	@rm -rf $(BUILD) build-asan build-tsan
