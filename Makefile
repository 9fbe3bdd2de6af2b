# rkeops: commands for a checkout. `make demo` and `make test` set up everything they need.
#
#   make demo        map of a kernel regression (demo.png), then a 1e5 x 1e5 Gaussian product
#   make test        engine tests under sanitizers, then the R tests
#   make test-full   the same with larger grids, under sanitizers and gctorture, with texts of a
#                    fuzzer and without memory (minutes to hours)
#   make random      FORMULAS=300 SEED=20261: random formulas against a naive evaluator
#   make portable    the engine for 64-bit Arm, Windows and macOS, by the cross compilers there are
#   make check       R CMD build, R CMD check
#   make check-nosuggests   the same where no suggested package is found
#   make sanitized   the package under gcc's sanitizers: R tests of reductions and LazyTensors
#   make gctorture   what C does while R collects garbage all the time
#   make bench       the scripts of bench/: figures in bench/results/
#   make docs        NAMESPACE and man/ by roxygen2
#   make setup       R, a C compiler and the R packages that the commands above use
#   make clean
#
# The package goes into a private library, .library/; everything else that is built, into .build/.

LIBRARY := $(CURDIR)/.library
BUILD := .build
FORMULAS := 300
SEED := 20261
INSTALLED := $(LIBRARY)/rkeops/DESCRIPTION
SOURCES := $(wildcard DESCRIPTION NAMESPACE LICENSE .Rbuildignore) \
  $(shell find $(wildcard R src inst man vignettes) -type f ! -name '*.o' ! -name '*.so')

export R_LIBS := $(LIBRARY)

.PHONY: help setup install demo test test-full random portable check check-nosuggests sanitized \
  gctorture bench docs clean

help:
	@sed -n '3,18s/^# \{0,1\}//p' Makefile

setup:
	@sh tools/setup.sh

install: setup
	@$(MAKE) --no-print-directory -s $(INSTALLED)

$(INSTALLED): $(SOURCES)
	@sh tools/install.sh $(LIBRARY) $(BUILD)

demo: install
	Rscript inst/examples/demo.R demo.png

test: install
	@sh tools/test.sh

test-full: install
	@RKEOPS_TEST_FULL=1 sh tools/test.sh

random:
	@sh tools/random.sh $(BUILD) $(FORMULAS) $(SEED)

portable:
	@sh tools/portable.sh $(BUILD)

check: setup
	@sh tools/check.sh $(BUILD)/check

check-nosuggests: setup
	@sh tools/check.sh $(BUILD)/check-nosuggests nosuggests

sanitized: setup
	@sh tools/sanitized-r.sh $(BUILD)

gctorture: install
	@Rscript tools/gctorture.R $(BUILD)/gctorture.counts

bench: install
	@sh tools/bench.sh

docs: install
	Rscript -e 'roxygen2::roxygenise(load_code = "installed")'

clean:
	rm -rf $(BUILD) .library demo.png
	find src -name '*.o' -delete -o -name '*.so' -delete
