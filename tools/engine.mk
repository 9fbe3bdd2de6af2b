# The engine and its tests without R, called by tools/engine-tests.sh:
#
#   make -f tools/engine.mk CC=clang DIR=.build/engine-clang FLAGS="-O1 -g -fsanitize=address"
#
# test_math is also built as kernels are, for vectors of WIDTHS bytes: test_math-32, ...

CC := cc
DIR := .build/engine
FLAGS := -O2 -g
WIDTHS :=
KERNEL_FLAGS := -O2 -fno-math-errno -fno-trapping-math -ffp-contract=fast
ALL_FLAGS := -std=gnu11 -Isrc/engine -Iinst/include/rkeops -Wall -Wextra $(FLAGS)

ENGINE := $(wildcard src/engine/*.c src/engine/*/*.c)
OBJECTS := $(ENGINE:%.c=$(DIR)/%.o)
TESTS := $(patsubst tests/engine/%.c,$(DIR)/%,$(wildcard tests/engine/test_*.c))
MATH_TESTS := $(addprefix $(DIR)/test_math-,$(WIDTHS))

all: $(TESTS) $(MATH_TESTS)

$(DIR)/libengine.a: $(OBJECTS)
	@rm -f $@
	@$(AR) rcs $@ $(OBJECTS)

$(OBJECTS): $(DIR)/%.o: %.c $(DIR)/flags
	@mkdir -p $(@D)
	@$(CC) $(ALL_FLAGS) -MMD -MP -c $< -o $@

$(TESTS): $(DIR)/test_%: tests/engine/test_%.c $(DIR)/libengine.a
	@$(CC) $(ALL_FLAGS) -MMD -MP $< $(DIR)/libengine.a -o $@ -lm -ldl -lpthread

$(MATH_TESTS): $(DIR)/test_math-%: tests/engine/test_math.c $(DIR)/flags
	@$(CC) -std=gnu11 -Iinst/include/rkeops $(KERNEL_FLAGS) -DRK_BYTES=$* -MMD -MP $< -o $@ -lm

COMMANDS := $(CC) $(ALL_FLAGS) $(KERNEL_FLAGS)

# Rewritten, and so everything rebuilt, when compiler or flags change.
$(DIR)/flags: FORCE
	@mkdir -p $(@D)
	@echo '$(COMMANDS)' | cmp -s - $@ || echo '$(COMMANDS)' > $@

FORCE:
.PHONY: all FORCE
.SECONDARY:

-include $(OBJECTS:.o=.d) $(TESTS:=.d) $(MATH_TESTS:=.d)
