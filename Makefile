# rkeops: commands for a checkout. They set up what they need, through apt where they may.
#
#   make install     the package with its articles, into your R library
#   make dist        tarballs of source and of what is compiled, checked, in dist/
#   make demo        map of a kernel regression (demo.png), then a 1e5 x 1e5 Gaussian product
#   make test        engine tests under sanitizers, then the R tests
#   make one TEST=test_plan   or TEST=test-kernel.R: one test, from a built tree
#   make test-full   the same with larger grids, under sanitizers and gctorture, with texts of a
#                    fuzzer and without memory (minutes to hours)
#   make random      FORMULAS=300 SEED=20261: random formulas against a naive evaluator
#   make mutants     faults put into the engine, one after the other: which tests see them (an hour);
#                    WORD=panels: those with the word in their name, WITH_R=1: also tests of R
#   make portable    the engine for 64-bit Arm, Windows and macOS, by the cross compilers there are
#   make test-r45    the R tests on Debian 13 (R 4.5), in a folder of its own
#   make check       R CMD build, R CMD check
#   make check-nosuggests   the same where no suggested package is found
#   make check-cran  the same as a submission is checked; refuses while placeholders stand
#   make sanitized   the package under gcc's sanitizers: R tests of reductions and LazyTensors
#   make gctorture   what C does while R collects garbage all the time
#   make bench       the scripts of bench/: figures in bench/results/
#   make articles    the articles that are not installed, in dist/articles/
#   make docs        NAMESPACE and man/ by roxygen2, the list in src/Makevars, README's figures
#   make setup       R, a C compiler and the R packages that the commands above use
#   make clean
#
# Tests and benchmarks use a private library, .library/; everything else that is built is in .build/.

LIBRARY := $(CURDIR)/.library
BUILD := .build
FORMULAS := 300
SEED := 20261
INSTALLED := $(LIBRARY)/rkeops/DESCRIPTION
SOURCES := $(wildcard DESCRIPTION NAMESPACE LICENSE NEWS.md .Rbuildignore) \
  $(shell find $(wildcard R src inst man vignettes) -type f ! -name '*.o' ! -name '*.so')

USER_LIBS := $(R_LIBS)
export R_LIBS := $(LIBRARY)

.PHONY: help setup install library dist demo test one test-full test-r45 random mutants portable \
  check check-nosuggests check-cran sanitized gctorture bench articles docs clean

help:
	@sed -n '3,/^$$/s/^# \{0,1\}//p' Makefile

setup:
	@sh tools/setup.sh

install: setup
	@R_LIBS="$(USER_LIBS)" sh tools/install.sh $(BUILD)/install

dist: setup
	@sh tools/dist.sh $(BUILD)/check dist

library: setup
	@$(MAKE) --no-print-directory -s $(INSTALLED)

$(INSTALLED): $(SOURCES)
	@sh tools/install.sh $(BUILD) $(LIBRARY)

demo: library
	Rscript inst/examples/demo.R demo.png

test: library
	@sh tools/test.sh

one: $(if $(filter %.R,$(TEST)),library)
	@sh tools/one.sh $(BUILD) $(TEST)

test-full: library
	@RKEOPS_TEST_FULL=1 sh tools/test.sh

test-r45: library
	@sh tools/test-r45.sh $(BUILD)

random:
	@sh tools/random.sh $(BUILD) $(FORMULAS) $(SEED)

mutants:
	@sh tests/mutants/run.sh $(if $(WITH_R),--with-r) "$(WORD)"

portable:
	@sh tools/portable.sh $(BUILD)

check: setup
	@sh tools/check.sh $(BUILD)/check

check-nosuggests: setup
	@sh tools/check.sh $(BUILD)/check-nosuggests nosuggests

check-cran: setup
	@sh tools/check.sh $(BUILD)/check-cran cran

sanitized: setup
	@sh tools/sanitized-r.sh $(BUILD)

gctorture: library
	@Rscript tools/gctorture.R $(BUILD)/gctorture.counts

bench: library
	@sh tools/bench.sh

articles: library
	@Rscript tools/articles.R dist/articles

docs: setup
	@sh tools/setup.sh roxygen2
	@sh tools/docs.sh

clean:
	rm -rf $(if $(filter Linux,$(shell uname)),--one-file-system) $(BUILD) .library dist demo.png
	find src -name '*.o' -delete -o -name '*.so' -delete
