# The front door to Meson.
#
#   make            builds in build/
#   make run        installs what is missing, builds, shows the main job on real sessions
#   make check      installs what is missing, builds, runs every test
#   make check-sanitize  the same with the programs built with the address and undefined sanitizers
#   make lint       clang-tidy and clang's static analyser
#   make check-long the same for what takes an hour: 200 kills, 10,000 sessions, half an hour with 2,000
#   make bench      builds, measures, and writes docs/BENCHMARKS.md; QUICK=1: some minutes, writes nothing
#   make fuzz       runs each fuzz harness for SECONDS (60), JOBS (1) at a time
#   make install    installs below PREFIX and /etc; with DESTDIR into an image; INIT: sysv, openrc, procd
#   make uninstall  takes it away again; a changed configuration stays
#   make deb        builds the Debian package in build-deb/
#   make static     builds static programs with musl in build-musl/
#   make arm64      builds for Debian's arm64 in build-arm64/, tests it under qemu-user
#   make format     formats the C files
#   make clean      removes what was built

PREFIX = /usr/local
SYSCONFDIR = /etc
DESTDIR =
INIT = sysv
WERROR = false
QUICK =

# Of make fuzz; HARNESS names some of them.
SECONDS = 60
JOBS = 1
HARNESS =

# Packages of Debian 12 are proved with Debian's own Python.
PYTHON = /usr/bin/python3

OPTIONS = --prefix=$(PREFIX) --sysconfdir=$(SYSCONFDIR) -Dinit=$(INIT) -Dwerror=$(WERROR)

all:
	@scripts/configure build $(OPTIONS)
	@ninja -C build

run:
	@scripts/install-packages build run
	@$(MAKE) --no-print-directory all
	@$(PYTHON) scripts/demo build

check:
	@scripts/install-packages build run deb cross check
	@$(PYTHON) scripts/check $(OPTIONS)

check-long:
	@scripts/install-packages build run check
	@$(PYTHON) scripts/check --long $(OPTIONS)

bench:
	@scripts/install-packages build run bench
	@$(MAKE) --no-print-directory all
	@ninja -C build bench
	@QUICK=$(QUICK) $(PYTHON) bench/all.py build

check-sanitize:
	@scripts/install-packages build run check
	@$(PYTHON) scripts/check --sanitize $(OPTIONS)

lint:
	@scripts/install-packages build check
	@CC=clang scripts/configure build-sanitize $(OPTIONS) -Dwerror=true -Db_sanitize=address,undefined -Db_lundef=false
	@$(PYTHON) scripts/lint build-sanitize

fuzz:
	@scripts/install-packages build check
	@scripts/fuzz -t $(SECONDS) -j $(JOBS) $(HARNESS)

install: all
	@DESTDIR=$(DESTDIR) meson install -C build --no-rebuild --strip
	@DESTDIR=$(DESTDIR) scripts/install-host $(SYSCONFDIR)

uninstall: all
	@DESTDIR=$(DESTDIR) $(PYTHON) scripts/uninstall build

deb:
	@scripts/install-packages build deb
	@scripts/build-deb build-deb
	@lintian --allow-root build-deb/*.changes
	@ls build-deb/*.deb

static:
	@scripts/install-packages build cross
	@scripts/cross musl build-musl

arm64:
	@scripts/install-packages build cross
	@scripts/cross arm64 build-arm64
	@meson test -C build-arm64/build -t 8 --suite unit --suite prop --suite scenario

format:
	@find src tests -name '*.[ch]' -exec clang-format-14 -i {} +

clean:
	rm -rf build build-*

.PHONY: all run check check-long check-sanitize bench lint fuzz install uninstall deb static arm64 format clean
