# The engine and its tests without R, called by tools/engine-tests.sh:
#
#   make -f tools/engine.mk CC=clang DIR=.build/engine-clang FLAGS="-O1 -g -fsanitize=address"
#
# test_math is also built as kernels are, for vectors of WIDTHS bytes: test_math-32, ...
#
# For another system: CC, AR, LIBS, and EXE, the ending of programs (tools/portable.sh).
#
# fail_memory makes the engine's memory run out; fuzz_program needs clang's libFuzzer (FLAGS with
# -fsanitize=fuzzer-no-link). Neither is part of `all`.
#
# The target `cuda` makes the tests of tests/cuda, the stand-in libraries that they run on, and the
# tests of the engine that can run on a GPU; called by tools/cuda-tests.sh; `standins` only the
# libraries. The stand-ins are built
# with STANDIN_FLAGS: never with the thread sanitizer.

CC := cc
DIR := .build/engine
FLAGS := -O2 -g
WIDTHS :=
LIBS := -lm -ldl -lpthread
EXE :=
KERNEL_FLAGS := -O2 -fno-math-errno -fno-trapping-math -ffp-contract=fast
# Plans are checked as they are made (src/engine/plan/check.h), in tests only.
ALL_FLAGS := -std=gnu11 -Isrc/engine -Iinst/include/rkeops -DRKEOPS_CHECK_PLANS -Wall -Wextra $(FLAGS)

ENGINE := $(wildcard src/engine/*.c src/engine/*/*.c)
OBJECTS := $(ENGINE:%.c=$(DIR)/%.o)
TESTS := $(patsubst tests/engine/%.c,$(DIR)/%$(EXE),$(wildcard tests/engine/test_*.c))
CUDA_TESTS := $(patsubst tests/cuda/%.c,$(DIR)/cuda/%,$(wildcard tests/cuda/test_*.c))
CUDA_LIBRARIES := $(DIR)/libcuda.so.1 $(DIR)/libnvrtc.so
CUDA_DRIVER := $(wildcard tests/cuda/driver*.c tests/cuda/emulator.c)
STANDIN_FLAGS := $(FLAGS)
STANDIN := -std=gnu11 -Wall -Wextra -fPIC -fvisibility=hidden -shared $(STANDIN_FLAGS) \
  -DRKEOPS_EMULATOR_HEADER='"$(CURDIR)/tests/cuda/emulator.h"'
FAILING := malloc calloc realloc
MATH_TESTS := $(addprefix $(DIR)/test_math-,$(WIDTHS))

all: $(TESTS) $(MATH_TESTS)
standins: $(CUDA_LIBRARIES)
cuda: $(CUDA_TESTS) $(CUDA_LIBRARIES) $(DIR)/fail_memory \
  $(addprefix $(DIR)/test_,engine programs nested derive random offsets walk pairs sampled)

$(DIR)/libengine.a: $(OBJECTS)
	@rm -f $@
	@$(AR) rcs $@ $(OBJECTS)

$(OBJECTS): $(DIR)/%.o: %.c $(DIR)/flags
	@mkdir -p $(@D)
	@$(CC) $(ALL_FLAGS) -MMD -MP -c $< -o $@

# The code of the loops for 16 bytes, which sanitizers see: with them a compiler takes minutes. Of
# kernels they see what calls them, and compiled ones have none either; gcc would say that it looks at
# no indentation of so long a text.
$(DIR)/src/engine/loops/loops_32.o $(DIR)/src/engine/loops/loops_64.o \
$(DIR)/src/engine/kernels/kernels_16.o $(DIR)/src/engine/kernels/kernels_32.o: \
  ALL_FLAGS := $(filter-out -fsanitize% -fno-sanitize%,$(ALL_FLAGS)) -Wno-misleading-indentation

$(TESTS): $(DIR)/test_%$(EXE): tests/engine/test_%.c $(DIR)/libengine.a
	@$(CC) $(ALL_FLAGS) -MMD -MP $< $(DIR)/libengine.a -o $@ $(LIBS)

# Where a*b+c is one instruction, as always on 64-bit Arm, it has to be made of it: not below -O2.
$(DIR)/test_math$(EXE): ALL_FLAGS += -O2

# A library with threads of its own, beside the engine.
$(DIR)/test_float_mode$(EXE): ALL_FLAGS += $(filter -fopenmp,$(KERNEL_FLAGS))

$(MATH_TESTS): $(DIR)/test_math-%: tests/engine/test_math.c $(DIR)/flags
	@$(CC) -std=gnu11 -Isrc/engine -Iinst/include/rkeops $(KERNEL_FLAGS) -DRK_BYTES=$* -MMD -MP $< -o $@ -lm

$(CUDA_TESTS): $(DIR)/cuda/test_%: tests/cuda/test_%.c $(DIR)/libengine.a
	@mkdir -p $(@D)
	@$(CC) $(ALL_FLAGS) -Itests/engine -MMD -MP $< $(DIR)/libengine.a -o $@ $(LIBS)

$(DIR)/fail_memory: tests/engine/fail_memory.c $(DIR)/libengine.a
	@$(CC) $(ALL_FLAGS) -MMD -MP $< $(DIR)/libengine.a -o $@ $(FAILING:%=-Wl,--wrap=%) $(LIBS)

$(DIR)/fuzz_program: tests/engine/fuzz_program.c $(DIR)/libengine.a
	@$(CC) $(ALL_FLAGS) -fsanitize=fuzzer -MMD -MP $< $(DIR)/libengine.a -o $@ $(LIBS)

$(DIR)/libcuda.so.1: $(CUDA_DRIVER) $(wildcard tests/cuda/*.h) $(DIR)/flags
	@$(CC) $(STANDIN) $(CUDA_DRIVER) -o $@ -ldl -lpthread

$(DIR)/libnvrtc.so: tests/cuda/nvrtc.c tests/cuda/standin.h $(DIR)/flags
	@$(CC) $(STANDIN) $< -o $@

COMMANDS := $(CC) $(ALL_FLAGS) $(KERNEL_FLAGS)

# Rewritten, and so everything rebuilt, when compiler or flags change.
$(DIR)/flags: FORCE
	@mkdir -p $(@D)
	@echo '$(COMMANDS)' | cmp -s - $@ || echo '$(COMMANDS)' > $@

FORCE:
.PHONY: all cuda standins FORCE
.SECONDARY:

-include $(OBJECTS:.o=.d) $(TESTS:=.d) $(DIR)/fail_memory.d $(DIR)/fuzz_program.d $(CUDA_TESTS:=.d) $(MATH_TESTS:=.d)
