# The front door to Meson.
#
#   make            builds in build/
#   make run        installs what is missing, builds, shows the main job on real sessions
#   make check      installs what is missing, builds, runs every test
#   make check-long  what takes an hour: 200 kills, 10,000 sessions, half an hour with 2,000
#   make check-sanitize  the same with the programs built with the address and undefined sanitizers
#   make lint       clang-tidy and clang's static analyser
#   make fuzz       runs each fuzz harness for SECONDS (60), JOBS (1) at a time
#   make install    installs below PREFIX and /etc; with DESTDIR into an image
#   make uninstall  takes it away again; a changed configuration stays
#   make format     formats the C files
#   make clean      removes what was built

PREFIX = /usr/local
SYSCONFDIR = /etc
DESTDIR =
WERROR = false

# Of make fuzz; HARNESS names some of them.
SECONDS = 60
JOBS = 1
HARNESS =

# Packages of Debian 12 are proved with Debian's own Python.
PYTHON = /usr/bin/python3

OPTIONS = --prefix=$(PREFIX) --sysconfdir=$(SYSCONFDIR) -Dwerror=$(WERROR)

all:
	@scripts/configure build $(OPTIONS)
	@ninja -C build

run:
	@scripts/install-packages build run
	@$(MAKE) --no-print-directory all
	@$(PYTHON) scripts/demo build

check:
	@scripts/install-packages build run check
	@$(PYTHON) scripts/check $(OPTIONS)

check-long:
	@scripts/install-packages build run check
	@$(PYTHON) scripts/check --long $(OPTIONS)

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

format:
	@find src tests -name '*.[ch]' -exec clang-format-14 -i {} +

clean:
	rm -rf build build-*

.PHONY: all run check check-long check-sanitize lint fuzz install uninstall format clean
