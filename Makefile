# The front door to Meson.
#
#   make            builds in build/
#   make run        installs what is missing, builds, shows the main job on real sessions
#   make check      installs what is missing, builds, runs every test
#   make bench      builds, measures, and writes docs/BENCHMARKS.md; QUICK=1: some minutes, writes nothing
#   make install    installs below PREFIX and /etc; with DESTDIR into an image
#   make uninstall  takes it away again; a changed configuration stays
#   make format     formats the C files
#   make clean      removes what was built

PREFIX = /usr/local
SYSCONFDIR = /etc
DESTDIR =
WERROR = false
QUICK =

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

bench:
	@scripts/install-packages build run bench
	@$(MAKE) --no-print-directory all
	@ninja -C build bench
	@QUICK=$(QUICK) $(PYTHON) bench/all.py build

install: all
	@DESTDIR=$(DESTDIR) meson install -C build --no-rebuild --strip
	@DESTDIR=$(DESTDIR) scripts/install-host $(SYSCONFDIR)

uninstall: all
	@DESTDIR=$(DESTDIR) $(PYTHON) scripts/uninstall build

format:
	@find src tests -name '*.[ch]' -exec clang-format-14 -i {} +

clean:
	rm -rf build build-sanitize

.PHONY: all run check bench install uninstall format clean
