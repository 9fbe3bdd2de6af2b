/* LazyTensors: identifiers of values, leaves that are one object, and the text for the engine.
 *
 * A value made from others is named by a hash of how it is made, so equal sub-expressions of two
 * LazyTensors are one. A leaf is named by 128 random bits of the session and a counter: unlike an
 * address or a bare counter, that stays unique when objects are saved, sent to another process or
 * made in a forked child (the bits are drawn again when the process number changes).
 */
#include "r_glue.h"
#include "text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

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

/* /dev/urandom where there is one; time and addresses are mixed in for where there is none. */
static bits128 draw_session(int pid) {
  bits128 bits = {UINT64_C(0xcbf29ce484222325), (uint64_t)pid};
  const time_t day = time(NULL);
  const double since_start = rk_seconds();
  bits = hash_bytes(&day, sizeof day, bits);
  bits = hash_bytes(&since_start, sizeof since_start, bits);
  const void *here = &bits;
  bits = hash_bytes(&here, sizeof here, bits);
  unsigned char noise[32];
  FILE *file = fopen("/dev/urandom", "rb");
  if (file) {
    if (fread(noise, 1, sizeof noise, file) == sizeof noise)
      bits = hash_bytes(noise, sizeof noise, bits);
    fclose(file);
  }
  return bits;
}

SEXP rkeops_fresh_id(SEXP pid) {
  static int drawn_for = -1;
  static bits128 session;
  static uint64_t counter;
  if (Rf_asInteger(pid) != drawn_for) {
    drawn_for = Rf_asInteger(pid);
    session = draw_session(drawn_for);
    counter = 0;
  }
  char id[64];
  snprintf(id, sizeof id, "%016" PRIx64 "%016" PRIx64 ".%" PRIu64, session.a, session.b,
           ++counter);
  return Rf_mkString(id);
}

/* Of strings, as a sequence. */
SEXP rkeops_hash(SEXP text) {
  bits128 h = {UINT64_C(0xcbf29ce484222325), UINT64_C(0x6c62272e07bb0142)};
  for (int k = 0; k < Rf_length(text); k++) {
    const char *bytes = CHAR(STRING_ELT(text, k));
    h = hash_bytes(bytes, strlen(bytes), h);
  }
  char id[40];
  snprintf(id, sizeof id, "%016" PRIx64 "%016" PRIx64, h.a, h.b);
  return Rf_mkString(id);
}

/* Numbers in the text of a formula: the fewest digits, from 15 on, that read back as the same. R's
 * own functions write the decimal point of the locale. */
SEXP rkeops_number_text(SEXP x) {
  SEXP value = PROTECT(Rf_coerceVector(x, REALSXP));
  SEXP out = PROTECT(Rf_allocVector(STRSXP, Rf_xlength(value)));
  for (R_xlen_t k = 0; k < Rf_xlength(value); k++) {
    static const char *const formats[] = {"%.15g", "%.16g", "%.17g"};
    const double number = REAL(value)[k];
    char text[RK_NUMBER_TEXT];
    double back = 0;
    for (int f = 0; f < 3 && (!f || back != number); f++) {
      rk_number_text(text, formats[f], number);
      rk_read_number(text, &back);
    }
    SET_STRING_ELT(out, k, Rf_mkChar(text));
  }
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

/* For each element of the list `objects`, the position in the list `table` of the same object of
 * the same kind, 0 if there is none. Both lists keep theirs alive meanwhile, so an address means
 * one object. Parameters are never matched: the byte-code compiler of R makes one object of equal
 * constants of a function, and two parameters with equal values would become one variable. */
SEXP rkeops_match_objects(SEXP objects, SEXP kinds, SEXP table, SEXP table_kinds) {
  int n = Rf_length(objects);
  SEXP out = PROTECT(Rf_allocVector(INTSXP, n));
  for (int k = 0; k < n; k++) {
    INTEGER(out)[k] = 0;
    if (!strcmp(CHAR(STRING_ELT(kinds, k)), "Pm")) continue;
    for (int t = 0; t < Rf_length(table); t++)
      if (STRING_ELT(kinds, k) == STRING_ELT(table_kinds, t) &&
          same_object(VECTOR_ELT(objects, k), VECTOR_ELT(table, t))) {
        INTEGER(out)[k] = t + 1;
        break;
      }
  }
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

/* Places of strings: strings of R that are equal are one object, so their addresses are hashed. */
typedef struct {
  SEXP *key;
  int *place;
  size_t mask;
} string_map;

static size_t slot_of(const string_map *map, SEXP key) {
  size_t slot = (size_t)scramble((uint64_t)(uintptr_t)key) & map->mask;
  while (map->key[slot] && map->key[slot] != key) slot = (slot + 1) & map->mask;
  return slot;
}

static string_map map_new(int n) {
  size_t size = 4;
  while (size < 2 * (size_t)n) size *= 2;
  string_map map = {(SEXP *)R_alloc(size, sizeof(SEXP)), (int *)R_alloc(size, sizeof(int)),
                    size - 1};
  memset(map.key, 0, size * sizeof(SEXP));
  return map;
}

static void map_put(string_map *map, SEXP key, int place) {
  size_t slot = slot_of(map, key);
  map->key[slot] = key;
  map->place[slot] = place;
}

/* -1 if it has none. */
static int place_of(const string_map *map, SEXP id) {
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
  return (unfinished){definition, list_element(definition, "operands"), 0};
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
      SEXP id = STRING_ELT(list_element(top->definition, "id"), 0);
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

/* Copies `text` to `end`, where there is room for it: where the next one goes. */
static char *append(char *end, const char *text) {
  size_t n = strlen(text);
  memcpy(end, text, n + 1);
  return end + n;
}

/* "op(operands,literals)", or "op" if it has none. */
static value_text node_text(SEXP node, const value_text *value, const string_map *map) {
  SEXP operands = list_element(node, "operands"), literals = list_element(node, "literals");
  const char *op = CHAR(STRING_ELT(list_element(node, "op"), 0));
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
  end = append(end, op);
  for (int k = 0; k < all; k++) end = append(append(end, k ? "," : "("), part[k]);
  append(end, ")");
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
    count_uses(list_element(order->definition[k], "operands"), value, &order->map);
  count_uses(roots, value, &order->map);

  char name[32];
  for (int k = 0; k < order->leaves; k++) {
    snprintf(name, sizeof name, "V%d", INTEGER(leaves)[k] - 1);
    value[k].text = joined(name, "", "");
  }
  for (int k = 0; k < order->definitions; k++) {
    SEXP node = order->definition[k];
    value_text *here = &value[order->leaves + k];
    int uses = here->uses;
    *here = node_text(node, value, &order->map);
    if ((uses > 1 || here->depth > NESTING_LIMIT) && Rf_length(list_element(node, "operands")) &&
        list_element(node, "inline") == R_NilValue) {
      snprintf(name, sizeof name, "d%d", definitions + 1);
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
  for (int k = 0; defined[k]; k++) end = append(append(end, defined[k]), "; ");
  for (int k = 0; k < n_roots; k++) end = append(append(end, k ? ", " : ""), part[k]);
  return Rf_mkString(text);
}
