/* LazyTensors: identifiers of values, leaves that are one object, and the text for the engine.
 *
 * A value made from others is named by a hash of how it is made, so equal sub-expressions of two
 * LazyTensors are one. A leaf is named by 128 random bits of the session and a counter: unlike an
 * address or a bare counter, that stays unique when objects are saved, sent to another process or
 * made in a forked child (the bits are drawn again there).
 */
#include "r_glue.h"
#include "os.h"
#include "text.h"

#include <string.h>

char *text_behind(char *end, const char *text) {
  size_t n = strlen(text);
  memcpy(end, text, n + 1);
  return end + n;
}

char *write_natural(char *end, uint64_t number) {
  char digits[24], *first = &digits[23];
  *first = 0;
  do *--first = (char)('0' + number % 10);
  while (number /= 10);
  return text_behind(end, first);
}

typedef struct {
  uint64_t a, b;
} bits128;

static uint64_t scramble(uint64_t x) { /* the finaliser of splitmix64 */
  x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
  x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
  return x ^ (x >> 31);
}

static bits128 hash_bytes(const void *data, size_t n, bits128 h) {
  const unsigned char *byte = data;
  for (size_t k = 0; k < n; k++) {
    h.a = (h.a ^ byte[k]) * UINT64_C(0x00000100000001b3);
    h.b = ((h.b << 23) | (h.b >> 41)) + h.a;
    h.b = (h.b ^ byte[k]) * UINT64_C(0x9e3779b97f4a7c15);
  }
  h.a = scramble(h.a + n);
  h.b = scramble(h.b ^ h.a);
  return h;
}

static char *write_bits(char *out, uint64_t bits) {
  static const char digits[] = "0123456789abcdef";
  for (int k = 60; k >= 0; k -= 4) *out++ = digits[(bits >> k) & 15];
  return out;
}

SEXP fresh_id(void) {
  static int drawn_for = -1; /* so many forks */
  static bits128 session;
  static uint64_t counter;
  if (rk_os_forks() != drawn_for) {
    drawn_for = rk_os_forks();
    rk_os_random(&session, sizeof session);
    counter = 0;
  }
  char id[64];
  char *end = write_bits(write_bits(id, session.a), session.b);
  write_natural(text_behind(end, "."), ++counter);
  return Rf_mkChar(id);
}

SEXP rkeops_fresh_id(void) { return Rf_ScalarString(fresh_id()); }

static bits128 hash_strings(SEXP text, bits128 h) {
  for (int k = 0; k < Rf_length(text); k++)
    h = hash_bytes(CHAR(STRING_ELT(text, k)), (size_t)LENGTH(STRING_ELT(text, k)), h);
  return h;
}

/* Of how the value is made: op, operands and literals as a sequence. */
SEXP value_id(SEXP op, SEXP operands, SEXP literals) {
  bits128 h = {UINT64_C(0xcbf29ce484222325), UINT64_C(0x6c62272e07bb0142)};
  h = hash_bytes(CHAR(op), (size_t)LENGTH(op), h);
  h = hash_strings(literals, hash_strings(operands, h));
  char id[32];
  write_bits(write_bits(id, h.a), h.b);
  return Rf_mkCharLen(id, sizeof id);
}

/* Numbers in the text of a formula: the fewest digits, from 15 on, that read back as the same. R's
 * own functions write the decimal point of the locale. */
SEXP number_text(double number) {
  static const char *const formats[] = {"%.15g", "%.16g", "%.17g"};
  char text[RK_NUMBER_TEXT];
  double back = 0;
  for (int f = 0; f < 3 && (!f || back != number); f++) {
    rk_number_text(text, formats[f], number);
    rk_read_number(text, &back);
  }
  return Rf_mkChar(text);
}

SEXP rkeops_number_text(SEXP x) {
  SEXP value = PROTECT(Rf_coerceVector(x, REALSXP));
  SEXP out = PROTECT(Rf_allocVector(STRSXP, Rf_xlength(value)));
  for (R_xlen_t k = 0; k < Rf_xlength(value); k++)
    SET_STRING_ELT(out, k, number_text(REAL(value)[k]));
  UNPROTECT(2);
  return out;
}

/* A pointer to `given`, the object that the numbers x were made from; NULL where that is x itself.
 * The weak reference keeps `given` alive as long as the pointer, which is empty when it comes out
 * of a file or from another process: there an address means nothing. (R duplicates what a weak
 * reference is given, if others refer to it: so it gets a cell of its own that holds `given`.) */
SEXP rkeops_given(SEXP given, SEXP x) {
  if (given == x) return R_NilValue;
  MARK_NOT_MUTABLE(given);
  SEXP pointer = PROTECT(R_MakeExternalPtr(given, R_NilValue, R_NilValue));
  SEXP holder = PROTECT(Rf_cons(given, R_NilValue));
  R_MakeWeakRef(pointer, holder, R_NilValue, FALSE);
  UNPROTECT(2);
  return pointer;
}

static const void *given_for(SEXP x) {
  SEXP pointer = Rf_getAttrib(x, Rf_install("rkeops_given"));
  return TYPEOF(pointer) == EXTPTRSXP ? R_ExternalPtrAddr(pointer) : NULL;
}

static int same_numbers(SEXP x, SEXP y) {
  if (TYPEOF(x) != TYPEOF(y) || XLENGTH(x) != XLENGTH(y)) return 0;
  size_t size = TYPEOF(x) == CPLXSXP ? 16 : TYPEOF(x) == REALSXP ? 8 : 4;
  return !memcmp(DATAPTR_RO(x), DATAPTR_RO(y), size * (size_t)XLENGTH(x));
}

/* The very same R object, not an equal one; copies of what to_gpu() made share its pointer. Numbers
 * made from one object are compared too: some packages change a data.frame where it lies. */
static int same_object(SEXP x, SEXP y) {
  if (x == y) return 1;
  if (is_gpu_matrix(x) || is_gpu_matrix(y)) {
    if (!is_gpu_matrix(x) || !is_gpu_matrix(y)) return 0;
    SEXP pointer = list_element(x, "pointer");
    return TYPEOF(pointer) == EXTPTRSXP && pointer == list_element(y, "pointer");
  }
  const void *given = given_for(x);
  return given && given == given_for(y) && same_numbers(x, y);
}

/* The position in the list `table` of the same object of the same kind, 0 if there is none. Lists
 * keep their objects alive meanwhile, so an address means one object. Parameters are never matched:
 * the byte-code compiler of R makes one object of equal constants of a function, and two parameters
 * with equal values would become one variable. */
int object_place(SEXP object, SEXP kind, SEXP table, SEXP table_kinds) {
  if (!strcmp(CHAR(kind), "Pm")) return 0;
  for (int t = 0; t < Rf_length(table); t++)
    if (kind == STRING_ELT(table_kinds, t) && same_object(object, VECTOR_ELT(table, t)))
      return t + 1;
  return 0;
}

/* For each element of the list `objects`. */
SEXP rkeops_match_objects(SEXP objects, SEXP kinds, SEXP table, SEXP table_kinds) {
  SEXP out = PROTECT(Rf_allocVector(INTSXP, Rf_length(objects)));
  for (int k = 0; k < Rf_length(objects); k++)
    INTEGER(out)[k] =
        object_place(VECTOR_ELT(objects, k), STRING_ELT(kinds, k), table, table_kinds);
  UNPROTECT(1);
  return out;
}

/* ---- text ------------------------------------------------------------------------------------ */

/* Values used once are written where they are used, others are defined once: the length of the text
 * is proportional to the number of operations. Functional form only, so no priorities. */
enum { NESTING_LIMIT = 30 };

typedef struct {
  const char *text;
  int uses;
  int depth; /* of the parentheses in `text` */
} value_text;

static size_t slot_of(const string_map *map, SEXP key) {
  size_t slot = (size_t)scramble((uint64_t)(uintptr_t)key) & map->mask;
  while (map->key[slot] && map->key[slot] != key) slot = (slot + 1) & map->mask;
  return slot;
}

string_map map_new(int n) {
  size_t size = 4;
  while (size < 2 * (size_t)n) size *= 2;
  string_map map = {(SEXP *)R_alloc(size, sizeof(SEXP)), (int *)R_alloc(size, sizeof(int)),
                    size - 1};
  memset(map.key, 0, size * sizeof(SEXP));
  return map;
}

void map_put(string_map *map, SEXP key, int place) {
  size_t slot = slot_of(map, key);
  map->key[slot] = key;
  map->place[slot] = place;
}

int place_of(const string_map *map, SEXP id) {
  size_t slot = slot_of(map, id);
  return map->key[slot] ? map->place[slot] : -1;
}

/* Values in an order in which each follows its operands: the leaves, then the definitions that the
 * roots need, those of a first operand before those of a second. */
typedef struct {
  SEXP *definition;
  int leaves, definitions;
  string_map map;
} value_order;

typedef struct {
  SEXP definition, operands;
  int next;
} unfinished;

static unfinished begin(SEXP table, SEXP id) {
  SEXP definition = definitions_find(table, id);
  return (unfinished){definition, definition_part(definition, OPERANDS), 0};
}

/* The definitions that `root` needs, without recursion: a chain may be long. */
static void order_from(value_order *order, SEXP table, SEXP root, unfinished *stack, int most) {
  int height = 0;
  if (place_of(&order->map, root) < 0) stack[height++] = begin(table, root);
  while (height) {
    unfinished *top = &stack[height - 1];
    if (top->next < Rf_length(top->operands)) {
      SEXP id = STRING_ELT(top->operands, top->next++);
      if (place_of(&order->map, id) >= 0) continue;
      if (height == most) Rf_error("a LazyTensor has a definition that uses itself");
      stack[height++] = begin(table, id);
    } else {
      SEXP id = STRING_ELT(definition_part(top->definition, ID), 0);
      map_put(&order->map, id, order->leaves + order->definitions);
      order->definition[order->definitions++] = top->definition;
      height--;
    }
  }
}

static value_order order_of(SEXP leaves, SEXP table, SEXP roots) {
  int most = definitions_count(table), n_leaves = Rf_length(leaves);
  SEXP names = Rf_getAttrib(leaves, R_NamesSymbol);
  value_order order = {(SEXP *)R_alloc((size_t)most + 1, sizeof(SEXP)), n_leaves, 0,
                       map_new(n_leaves + most)};
  for (int k = 0; k < n_leaves; k++) map_put(&order.map, STRING_ELT(names, k), k);
  unfinished *stack = (unfinished *)R_alloc((size_t)most + 1, sizeof *stack);
  for (int k = 0; k < Rf_length(roots); k++)
    order_from(&order, table, STRING_ELT(roots, k), stack, most);
  return order;
}

/* The definitions that the values `roots` need, as a list in order. */
SEXP rkeops_definitions(SEXP leaves, SEXP table, SEXP roots) {
  value_order order = order_of(leaves, table, roots);
  SEXP out = PROTECT(Rf_allocVector(VECSXP, order.definitions));
  for (int k = 0; k < order.definitions; k++) SET_VECTOR_ELT(out, k, order.definition[k]);
  UNPROTECT(1);
  return out;
}

/* a, b and c, one behind the other. */
static const char *joined(const char *a, const char *b, const char *c) {
  size_t size[3] = {strlen(a), strlen(b), strlen(c)};
  char *out = R_alloc(size[0] + size[1] + size[2] + 1, 1);
  memcpy(out, a, size[0]);
  memcpy(out + size[0], b, size[1]);
  memcpy(out + size[0] + size[1], c, size[2] + 1);
  return out;
}

/* "op(operands,literals)", or "op" if it has none. */
static value_text node_text(SEXP node, const value_text *value, const string_map *map) {
  SEXP operands = definition_part(node, OPERANDS), literals = definition_part(node, LITERALS);
  const char *op = CHAR(STRING_ELT(definition_part(node, OP), 0));
  int n = Rf_length(operands), all = n + Rf_length(literals);
  if (!all) return (value_text){op, 0, 0};
  const char **part = (const char **)R_alloc((size_t)all, sizeof *part);
  size_t size = strlen(op) + (size_t)all + 2;
  int depth = 0;
  for (int k = 0; k < all; k++) {
    if (k < n) {
      const value_text *operand = &value[place_of(map, STRING_ELT(operands, k))];
      part[k] = operand->text;
      if (operand->depth > depth) depth = operand->depth;
    } else {
      part[k] = CHAR(STRING_ELT(literals, k - n));
    }
    size += strlen(part[k]);
  }
  char *text = R_alloc(size, 1), *end = text;
  end = text_behind(end, op);
  for (int k = 0; k < all; k++) end = text_behind(text_behind(end, k ? "," : "("), part[k]);
  text_behind(end, ")");
  return (value_text){text, 0, depth + 1};
}

static void count_uses(SEXP ids, value_text *value, const string_map *map) {
  for (int k = 0; k < Rf_length(ids); k++) value[place_of(map, STRING_ELT(ids, k))].uses++;
}

/* The texts of all values, in order; `defined` gets the definitions, NULL behind the last. */
static value_text *value_texts(SEXP leaves, const value_order *order, SEXP roots,
                               const char **defined) {
  size_t n = (size_t)order->leaves + (size_t)order->definitions + 1;
  int definitions = 0;
  value_text *value = (value_text *)R_alloc(n, sizeof *value);
  memset(value, 0, n * sizeof *value);
  for (int k = 0; k < order->definitions; k++)
    count_uses(definition_part(order->definition[k], OPERANDS), value, &order->map);
  count_uses(roots, value, &order->map);

  char name[32];
  for (int k = 0; k < order->leaves; k++) {
    write_natural(text_behind(name, "V"), (uint64_t)INTEGER(leaves)[k] - 1);
    value[k].text = joined(name, "", "");
  }
  for (int k = 0; k < order->definitions; k++) {
    SEXP node = order->definition[k];
    value_text *here = &value[order->leaves + k];
    int uses = here->uses;
    *here = node_text(node, value, &order->map);
    if ((uses > 1 || here->depth > NESTING_LIMIT) && Rf_length(definition_part(node, OPERANDS)) &&
        LENGTH(node) == INLINE) {
      write_natural(text_behind(name, "d"), (uint64_t)definitions + 1);
      defined[definitions++] = joined(name, "=", here->text);
      *here = (value_text){joined(name, "", ""), 0, 0};
    }
  }
  defined[definitions] = NULL;
  return value;
}

/* The text of the values `roots` of a LazyTensor: "definitions; root, root, ...". */
SEXP rkeops_formula_text(SEXP leaves, SEXP table, SEXP roots) {
  int n_roots = Rf_length(roots);
  value_order order = order_of(leaves, table, roots);
  const char **defined =
      (const char **)R_alloc((size_t)order.definitions + 1, sizeof *defined);
  const value_text *value = value_texts(leaves, &order, roots, defined);

  const char **part = (const char **)R_alloc((size_t)n_roots + 1, sizeof *part);
  size_t size = 1;
  for (int k = 0; defined[k]; k++) size += strlen(defined[k]) + 2;
  for (int k = 0; k < n_roots; k++) {
    part[k] = value[place_of(&order.map, STRING_ELT(roots, k))].text;
    size += strlen(part[k]) + 2;
  }
  char *text = R_alloc(size, 1), *end = text;
  *end = 0;
  for (int k = 0; defined[k]; k++) end = text_behind(text_behind(end, defined[k]), "; ");
  for (int k = 0; k < n_roots; k++) end = text_behind(text_behind(end, k ? ", " : ""), part[k]);
  return Rf_mkString(text);
}
