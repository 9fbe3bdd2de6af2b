/* LazyTensors are made: variables, operations on them, reductions of them that run at once.
 *
 * An operation is one call from R to C, and so is a reduction: what R code takes for a step of its
 * own is more than all that is done here. What is plain is done here; NULL says that something is
 * not: operands that do not fit, walks, recorded values, complex numbers. R code does that, or says
 * what is wrong. The parts of a LazyTensor are described in R/lazytensor.R. */
#include "r_glue.h"

#include <stdio.h>
#include <string.h>

enum { MAX_DIM = 65535 };

/* ---- lists with names ------------------------------------------------------------------------ */

/* Strings that are made once. */
static SEXP kept_strings(SEXP *kept, const char *const *text) {
  int n = 0;
  if (*kept) return *kept;
  while (text[n]) n++;
  SEXP out = PROTECT(Rf_allocVector(STRSXP, n));
  for (int k = 0; k < n; k++) SET_STRING_ELT(out, k, Rf_mkChar(text[k]));
  MARK_NOT_MUTABLE(out);
  R_PreserveObject(out);
  UNPROTECT(1);
  return *kept = out;
}

static SEXP new_list(SEXP *kept, const char *const *names) {
  SEXP all = kept_strings(kept, names), out = PROTECT(Rf_allocVector(VECSXP, LENGTH(all)));
  Rf_setAttrib(out, R_NamesSymbol, all);
  UNPROTECT(1);
  return out;
}

/* ---- what LazyTensors are made of ------------------------------------------------------------ */

/* R_NilValue where the list has no such part: a state, for instance, has no root. */
typedef struct { SEXP root, table, leaves, data, kind, dimres, complex, walk, ids; } parts;

static parts parts_of(SEXP x) {
  static const char *const wanted[] = {"root", "table",  "leaves",  "data",
                                       "kind", "dimres", "complex", "walk"};
  SEXP part[8], names = Rf_getAttrib(x, R_NamesSymbol);
  for (int w = 0; w < 8; w++) part[w] = R_NilValue;
  for (int k = 0, n = Rf_length(names); k < n; k++) {
    const char *name = CHAR(STRING_ELT(names, k));
    for (int w = 0; w < 8; w++)
      if (*name == *wanted[w] && !strcmp(name, wanted[w])) part[w] = VECTOR_ELT(x, k);
  }
  return (parts){part[0], part[1], part[2], part[3], part[4], part[5], part[6], part[7],
                 Rf_getAttrib(part[2], R_NamesSymbol)};
}

static int is_text(SEXP x) {
  return TYPEOF(x) == STRSXP && XLENGTH(x) == 1 && STRING_ELT(x, 0) != NA_STRING;
}

/* Anybody can make such a list, so what is read is checked. */
static parts sound_parts_of(SEXP x) {
  parts p = parts_of(x);
  int sound = TYPEOF(p.leaves) == INTSXP && TYPEOF(p.data) == VECSXP && TYPEOF(p.kind) == STRSXP &&
              LENGTH(p.kind) == LENGTH(p.data) && LENGTH(p.leaves) == Rf_length(p.ids);
  for (int k = 0; sound && k < LENGTH(p.leaves); k++)
    sound = INTEGER_RO(p.leaves)[k] > 0 && INTEGER_RO(p.leaves)[k] <= LENGTH(p.data);
  if (!sound || (p.root != R_NilValue && !is_text(p.root)))
    Rf_error("a LazyTensor is not as rkeops makes them: was it saved by another version?");
  return p;
}

static int is_lazy(SEXP x) { return TYPEOF(x) == VECSXP && Rf_inherits(x, "LazyTensor"); }

/* Of real numbers, and for all pairs. */
static int is_plain(const parts *x) {
  return x->walk == R_NilValue && Rf_asLogical(x->complex) == 0;
}

/* ---- their data ------------------------------------------------------------------------------ */

static int is_real(SEXP x) {
  int type = TYPEOF(x);
  return (type == REALSXP || type == INTSXP || type == LGLSXP) && !Rf_isObject(x);
}

static int is_kind(SEXP kind, int k, const char *name) {
  return !strcmp(CHAR(STRING_ELT(kind, k)), name);
}

static int has_kind(SEXP kind, const char *name) {
  for (int k = 0; k < LENGTH(kind); k++)
    if (is_kind(kind, k, name)) return 1;
  return 0;
}

/* -1: R code knows. */
static int rows_of(SEXP x) {
  SEXP size = is_gpu_matrix(x) ? list_element(x, "dim") : Rf_getAttrib(x, R_DimSymbol);
  if (TYPEOF(x) == ENVSXP) return -1;
  return size == R_NilValue ? Rf_length(x) : Rf_asInteger(size);
}

/* All variables of an index have the same number of rows, and none has to be asked by R code. */
static int rows_agree(SEXP data, SEXP kind) {
  int first[2] = {-1, -1};
  for (int k = 0; k < LENGTH(data); k++) {
    if (is_kind(kind, k, "Pm")) continue;
    int index = is_kind(kind, k, "Vj"), rows = rows_of(VECTOR_ELT(data, k));
    if (rows < 0 || (first[index] >= 0 && first[index] != rows)) return 0;
    first[index] = rows;
  }
  return 1;
}

/* What the engine is told of variables for all pairs: "V0=Vi(3)". NULL where R code knows it. */
SEXP rkeops_declarations(SEXP data, SEXP kind) {
  SEXP out = PROTECT(Rf_allocVector(STRSXP, LENGTH(data)));
  for (int k = 0; k < LENGTH(data); k++) {
    SEXP x = VECTOR_ELT(data, k), size = Rf_getAttrib(x, R_DimSymbol);
    if (!is_real(x) && TYPEOF(x) != CPLXSXP) {
      UNPROTECT(1);
      return R_NilValue;
    }
    int numbers = is_kind(kind, k, "Pm") ? Rf_length(x)
                  : Rf_length(size) > 1 ? INTEGER_RO(size)[1] : 1;
    char text[48], *end = write_natural(text_behind(text, "V"), (uint64_t)k);
    end = text_behind(text_behind(text_behind(end, "="), CHAR(STRING_ELT(kind, k))), "(");
    end = write_natural(end, (uint64_t)numbers * (TYPEOF(x) == CPLXSXP ? 2 : 1));
    text_behind(end, ")");
    SET_STRING_ELT(out, k, Rf_mkChar(text));
  }
  UNPROTECT(1);
  return out;
}

/* ---- several of them together ---------------------------------------------------------------- */

/* A list of table, leaves, data and kind; the table grows by define_in. */
enum { TABLE, LEAVES, DATA, KIND, MERGED };

static SEXP new_merged(SEXP table, SEXP leaves, SEXP data, SEXP kind) {
  static const char *const names[] = {"table", "leaves", "data", "kind", NULL};
  static SEXP kept;
  SEXP out = new_list(&kept, names);
  SET_VECTOR_ELT(out, TABLE, table);
  SET_VECTOR_ELT(out, LEAVES, leaves);
  SET_VECTOR_ELT(out, DATA, data);
  SET_VECTOR_ELT(out, KIND, kind);
  return out;
}

/* Where the data of y lie among those of both, from 1; which leaf of x each leaf of y is, or -1;
 * how many there are of both. */
typedef struct { int *place, *known, data, leaves; } joint;

/* Leaves with the same identifier, and those that are the same R object unless `distinct`, become
 * one. */
static joint join(const parts *x, const parts *y, int distinct) {
  int n = LENGTH(y->data), leaves = LENGTH(y->leaves), all = LENGTH(x->leaves);
  joint j = {(int *)R_alloc((size_t)n + 1, sizeof(int)),
             (int *)R_alloc((size_t)leaves + 1, sizeof(int)), LENGTH(x->data), all};
  for (int k = 0; k < n; k++)
    j.place[k] = distinct ? 0 : object_place(VECTOR_ELT(y->data, k), STRING_ELT(y->kind, k),
                                             x->data, x->kind);
  string_map map = map_new(all);
  for (int l = 0; l < all; l++) map_put(&map, STRING_ELT(x->ids, l), l);
  for (int l = 0; l < leaves; l++) {
    j.known[l] = place_of(&map, STRING_ELT(y->ids, l));
    if (j.known[l] < 0) j.leaves++;
    else j.place[INTEGER_RO(y->leaves)[l] - 1] = INTEGER_RO(x->leaves)[j.known[l]];
  }
  for (int k = 0; k < n; k++)
    if (!j.place[k]) j.place[k] = ++j.data;
  return j;
}

static SEXP joint_leaves(const parts *x, const parts *y, const joint *j) {
  int n = LENGTH(x->leaves);
  if (j->leaves == n) return x->leaves;
  SEXP out = PROTECT(Rf_allocVector(INTSXP, j->leaves));
  SEXP ids = PROTECT(Rf_allocVector(STRSXP, j->leaves));
  for (int l = 0; l < n; l++) {
    INTEGER(out)[l] = INTEGER_RO(x->leaves)[l];
    SET_STRING_ELT(ids, l, STRING_ELT(x->ids, l));
  }
  for (int l = 0; l < LENGTH(y->leaves); l++) {
    if (j->known[l] >= 0) continue;
    INTEGER(out)[n] = j->place[INTEGER_RO(y->leaves)[l] - 1];
    SET_STRING_ELT(ids, n++, STRING_ELT(y->ids, l));
  }
  Rf_setAttrib(out, R_NamesSymbol, ids);
  UNPROTECT(2);
  return out;
}

/* Elements of y behind those of x, of lists or of strings. */
static SEXP joint_elements(SEXP x, SEXP y, const joint *j) {
  int n = LENGTH(x), is_list = TYPEOF(x) == VECSXP;
  if (j->data == n) return x;
  SEXP out = PROTECT(Rf_lengthgets(x, j->data));
  for (int k = 0; k < LENGTH(y); k++) {
    int place = j->place[k] - 1;
    if (place < n) continue;
    if (is_list) SET_VECTOR_ELT(out, place, VECTOR_ELT(y, k));
    else SET_STRING_ELT(out, place, STRING_ELT(y, k));
  }
  UNPROTECT(1);
  return out;
}

static SEXP merge_two(const parts *x, const parts *y, int distinct) {
  joint j = join(x, y, distinct);
  SEXP table = PROTECT(rkeops_merge_definitions(x->table, y->table));
  SEXP leaves = PROTECT(joint_leaves(x, y, &j));
  SEXP data = PROTECT(joint_elements(x->data, y->data, &j));
  SEXP kind = PROTECT(joint_elements(x->kind, y->kind, &j));
  SEXP out = new_merged(table, leaves, data, kind);
  UNPROTECT(4);
  return out;
}

static SEXP merge_none(void) {
  SEXP table = PROTECT(Rf_allocVector(VECSXP, 0)), leaves = PROTECT(Rf_allocVector(INTSXP, 0));
  SEXP data = PROTECT(Rf_allocVector(VECSXP, 0)), kind = PROTECT(Rf_allocVector(STRSXP, 0));
  SEXP out = new_merged(table, leaves, data, kind);
  UNPROTECT(4);
  return out;
}

static SEXP merge_all(const parts *x, int n, int distinct) {
  if (!n) return merge_none();
  PROTECT_INDEX place;
  SEXP out = new_merged(x->table, x->leaves, x->data, x->kind);
  PROTECT_WITH_INDEX(out, &place);
  for (int k = 1; k < n; k++) {
    parts before = parts_of(out);
    REPROTECT(out = merge_two(&before, &x[k], distinct), place);
  }
  UNPROTECT(1);
  return out;
}

static parts *new_parts(int n) { return (parts *)R_alloc((size_t)n + 1, sizeof(parts)); }

/* Tables, leaves, data and kinds of all operands together; NULL where R code has to look at walks
 * and at numbers of rows first, unless it has `checked` them. */
SEXP rkeops_merge(SEXP operands, SEXP distinct, SEXP checked) {
  int n = Rf_length(operands), is_checked = Rf_asLogical(checked);
  parts *x = new_parts(n);
  for (int k = 0; k < n; k++) {
    x[k] = sound_parts_of(VECTOR_ELT(operands, k));
    if (!is_checked && x[k].walk != R_NilValue) return R_NilValue;
  }
  SEXP out = PROTECT(merge_all(x, n, Rf_asLogical(distinct)));
  if (!is_checked && !rows_agree(VECTOR_ELT(out, DATA), VECTOR_ELT(out, KIND))) out = R_NilValue;
  UNPROTECT(1);
  return out;
}

/* ---- definitions ----------------------------------------------------------------------------- */

/* One more definition in the list `merged`; its identifier. What is inline never gets a name in the
 * text: results do not, since reductions of two fields are no values that could have one. */
static SEXP define_in(SEXP merged, SEXP op, SEXP operands, SEXP literals, int is_inline) {
  static const char *const names[] = {"id", "op", "operands", "literals", "inline", NULL};
  static const char *const names_of_values[] = {"id", "op", "operands", "literals", NULL};
  static SEXP kept, kept_of_values;
  SEXP id = PROTECT(value_id(op, operands, literals));
  SEXP node = PROTECT(is_inline ? new_list(&kept, names)
                                : new_list(&kept_of_values, names_of_values));
  SET_VECTOR_ELT(node, ID, Rf_ScalarString(id));
  SET_VECTOR_ELT(node, OP, Rf_ScalarString(op));
  SET_VECTOR_ELT(node, OPERANDS, operands);
  SET_VECTOR_ELT(node, LITERALS, literals);
  if (is_inline) SET_VECTOR_ELT(node, INLINE, Rf_ScalarLogical(1));
  SET_VECTOR_ELT(merged, TABLE, rkeops_merge_definitions(VECTOR_ELT(merged, TABLE), node));
  UNPROTECT(2);
  return id; /* which the table has */
}

/* The table with one more definition, and its identifier. */
SEXP rkeops_add_node(SEXP table, SEXP op, SEXP operands, SEXP literals, SEXP is_inline) {
  static const char *const names[] = {"table", "id", NULL};
  static SEXP kept;
  SEXP out = PROTECT(new_list(&kept, names));
  SET_VECTOR_ELT(out, TABLE, table);
  SEXP id = define_in(out, STRING_ELT(op, 0), operands, literals, Rf_asLogical(is_inline));
  SET_VECTOR_ELT(out, 1, Rf_ScalarString(id));
  UNPROTECT(1);
  return out;
}

/* ---- LazyTensors ----------------------------------------------------------------------------- */

static SEXP new_lazytensor(SEXP merged, SEXP root, int dim, int is_logical, int is_complex) {
  static const char *const names[] = {"root", "table", "leaves", "data", "kind", "dimres",
                                      "logical", "complex", "no_vector", NULL};
  static const char *const classes[] = {"ComplexLazyTensor", "LazyTensor", NULL};
  static SEXP kept, kept_real, kept_complex;
  SEXP out = PROTECT(new_list(&kept, names));
  SET_VECTOR_ELT(out, 0, Rf_ScalarString(root));
  for (int k = 0; k < MERGED; k++) SET_VECTOR_ELT(out, 1 + k, VECTOR_ELT(merged, k));
  SET_VECTOR_ELT(out, 5, Rf_ScalarInteger(dim));
  SET_VECTOR_ELT(out, 6, Rf_ScalarLogical(is_logical));
  SET_VECTOR_ELT(out, 7, Rf_ScalarLogical(is_complex));
  SET_VECTOR_ELT(out, 8, Rf_install("LazyTensor"));
  Rf_setAttrib(out, R_ClassSymbol, is_complex ? kept_strings(&kept_complex, classes)
                                              : kept_strings(&kept_real, classes + 1));
  UNPROTECT(1);
  return out;
}

static SEXP new_leaf(SEXP x, const char *kind, int dim) {
  SEXP merged = PROTECT(merge_none()), leaves = PROTECT(Rf_ScalarInteger(1));
  SEXP id = PROTECT(Rf_ScalarString(fresh_id())), data = PROTECT(Rf_allocVector(VECSXP, 1));
  Rf_setAttrib(leaves, R_NamesSymbol, id);
  SET_VECTOR_ELT(data, 0, x);
  SET_VECTOR_ELT(merged, LEAVES, leaves);
  SET_VECTOR_ELT(merged, DATA, data);
  SET_VECTOR_ELT(merged, KIND, Rf_mkString(kind));
  SEXP out = new_lazytensor(merged, STRING_ELT(id, 0), dim, 0, TYPEOF(x) == CPLXSXP);
  UNPROTECT(4);
  return out;
}

/* The variable of kind Vi, Vj or Pm and of dimension `dim`. Where that is NULL, x is not checked
 * yet: a plain matrix is taken. */
SEXP rkeops_leaf(SEXP x, SEXP kind, SEXP dim) {
  const char *name = CHAR(STRING_ELT(kind, 0));
  if (dim != R_NilValue) return new_leaf(x, name, Rf_asInteger(dim));
  int is_complex = TYPEOF(x) == CPLXSXP && !Rf_isObject(x);
  if (!is_real(x) && !is_complex) return R_NilValue;
  SEXP size = Rf_getAttrib(x, R_DimSymbol);
  int columns = Rf_length(size) == 2 ? INTEGER_RO(size)[1] : 0;
  if (columns < 1 || columns > MAX_DIM / (1 + is_complex)) return R_NilValue;
  return new_leaf(x, name, columns);
}

/* A number in the text; the engine makes a hidden parameter of it. */
static SEXP new_constant(double number) {
  SEXP merged = PROTECT(merge_none()), text = PROTECT(number_text(number));
  SEXP none = PROTECT(Rf_allocVector(STRSXP, 0));
  SEXP out = new_lazytensor(merged, define_in(merged, text, none, R_NilValue, 0), 1, 0, 0);
  UNPROTECT(3);
  return out;
}

static int is_finite_number(SEXP x) {
  return is_real(x) && XLENGTH(x) == 1 && Rf_length(Rf_getAttrib(x, R_DimSymbol)) < 2 &&
         R_FINITE(Rf_asReal(x));
}

/* Real LazyTensors have equal dimensions, or 1: the larger one so far is `*dim`. */
static int is_like(const parts *x, int *dim) {
  int size = Rf_asInteger(x->dimres);
  if (Rf_asLogical(x->complex) || (*dim != 1 && size != 1 && size != *dim)) return 0;
  if (*dim == 1) *dim = size;
  return 1;
}

/* The parts of the operands, which `all` keeps. Where there is a `dim`, numbers become constants,
 * and dimensions fit. 0: R code has to look, unless it has checked walks. */
static int read_operands(SEXP operands, SEXP all, int *dim, int is_checked, parts *x) {
  for (int k = 0; k < LENGTH(all); k++) {
    SEXP operand = VECTOR_ELT(operands, k);
    if (dim && is_finite_number(operand)) operand = new_constant(Rf_asReal(operand));
    SET_VECTOR_ELT(all, k, operand);
    if (!is_lazy(operand)) return 0;
    x[k] = sound_parts_of(operand);
    if ((dim && !is_like(&x[k], dim)) || (!is_checked && x[k].walk != R_NilValue)) return 0;
  }
  return 1;
}

static SEXP roots_of(const parts *x, int n) {
  SEXP roots = PROTECT(Rf_allocVector(STRSXP, n));
  for (int k = 0; k < n; k++) SET_STRING_ELT(roots, k, STRING_ELT(x[k].root, 0));
  UNPROTECT(1);
  return roots;
}

/* The value op(operands, literals), numbers; an operation without operands is its own text. `dim`
 * NULL: of operands that are as operators have them, see above. `flags`: whether it is logical, and
 * complex. NULL where R code has to look, unless it has `checked` walks and rows. */
SEXP rkeops_define(SEXP op, SEXP operands, SEXP literals, SEXP dim, SEXP flags, SEXP checked) {
  int n = Rf_length(operands), size = 1, *common = dim == R_NilValue ? &size : NULL;
  const int is_checked = Rf_asLogical(checked);
  parts *x = new_parts(n);
  SEXP all = PROTECT(Rf_allocVector(VECSXP, n)), out = R_NilValue;
  if (!read_operands(operands, all, common, is_checked, x)) {
    UNPROTECT(1);
    return R_NilValue;
  }
  if (!common) size = Rf_asInteger(dim);
  SEXP merged = PROTECT(merge_all(x, n, 0)), roots = PROTECT(roots_of(x, n));
  if (is_checked || rows_agree(VECTOR_ELT(merged, DATA), VECTOR_ELT(merged, KIND))) {
    SEXP text = PROTECT(Rf_length(literals) ? rkeops_number_text(literals) : R_NilValue);
    SEXP root = define_in(merged, STRING_ELT(op, 0), roots, text, 0);
    out = new_lazytensor(merged, root, size, LOGICAL(flags)[0], LOGICAL(flags)[1]);
    UNPROTECT(1);
  }
  UNPROTECT(3);
  return out;
}

/* ---- reductions ------------------------------------------------------------------------------ */

static int are_real(SEXP data) {
  for (int k = 0; k < LENGTH(data); k++)
    if (!is_real(VECTOR_ELT(data, k))) return 0;
  return 1;
}

/* Row names of the first matrix of that kind that has some. */
static SEXP row_names(SEXP data, SEXP kind, const char *name) {
  for (int k = 0; k < LENGTH(data); k++) {
    SEXP names = is_kind(kind, k, name) ? Rf_getAttrib(VECTOR_ELT(data, k), R_DimNamesSymbol)
                                        : R_NilValue;
    if (names != R_NilValue && VECTOR_ELT(names, 0) != R_NilValue) return VECTOR_ELT(names, 0);
  }
  return R_NilValue;
}

/* Of values and positions alike; a status has none. */
static void name_rows(SEXP result, SEXP names) {
  if (names == R_NilValue || Rf_isObject(result)) return;
  if (TYPEOF(result) == VECSXP) {
    for (int k = 0; k < LENGTH(result); k++) name_rows(VECTOR_ELT(result, k), names);
    return;
  }
  SEXP all = PROTECT(Rf_allocVector(VECSXP, Rf_length(Rf_getAttrib(result, R_DimSymbol))));
  SET_VECTOR_ELT(all, 0, names);
  Rf_setAttrib(result, R_DimNamesSymbol, all);
  UNPROTECT(1);
}

/* The reduction of the value `root` over an index, or a status; NULL where R code has to look. */
static SEXP reduced(SEXP merged, SEXP root, const char *op, SEXP index) {
  static const char *const names[] = {"text", "declarations", NULL};
  static SEXP kept;
  const int over_j = !strcmp(CHAR(STRING_ELT(index, 0)), "j");
  SEXP data = VECTOR_ELT(merged, DATA), kind = VECTOR_ELT(merged, KIND), options = options_known();
  if (options == R_NilValue || options_of(options)->formula_only || !are_real(data) ||
      !has_kind(kind, over_j ? "Vj" : "Vi"))
    return R_NilValue;
  char name[64];
  snprintf(name, sizeof name, "%.40s_Reduction", op);
  SEXP text = PROTECT(Rf_mkChar(name));
  SEXP id = PROTECT(Rf_ScalarString(define_in(merged, text, root, index, 1)));
  SEXP program = PROTECT(new_list(&kept, names));
  SET_VECTOR_ELT(program, 0, rkeops_formula_text(VECTOR_ELT(merged, LEAVES),
                                                 VECTOR_ELT(merged, TABLE), id));
  SET_VECTOR_ELT(program, 1, rkeops_declarations(data, kind));
  SEXP out = PROTECT(rkeops_run(program, data, Rf_ScalarLogical(0), options));
  name_rows(out, row_names(data, kind, over_j ? "Vi" : "Vj"));
  UNPROTECT(4);
  return out;
}

static int is_index(SEXP x) {
  return is_text(x) &&
         (!strcmp(CHAR(STRING_ELT(x, 0)), "i") || !strcmp(CHAR(STRING_ELT(x, 0)), "j"));
}

/* The reduction op, "Sum" or another one without further arguments, of the LazyTensor x. */
SEXP rkeops_reduce(SEXP op, SEXP x, SEXP index) {
  if (!is_lazy(x) || !is_text(op) || !is_index(index)) return R_NilValue;
  parts p = sound_parts_of(x);
  if (!is_plain(&p)) return R_NilValue;
  SEXP merged = PROTECT(merge_all(&p, 1, 0));
  SEXP out = reduced(merged, p.root, CHAR(STRING_ELT(op, 0)), index);
  UNPROTECT(1);
  return out;
}

/* Columns of a plain vector or matrix; 0 where R code has to look, at names of columns, too. */
static int plain_columns(SEXP b) {
  if (!is_real(b)) return 0;
  SEXP size = Rf_getAttrib(b, R_DimSymbol), names = Rf_getAttrib(b, R_DimNamesSymbol);
  if (Rf_length(size) < 2) return 1;
  if (Rf_length(size) > 2 || (names != R_NilValue && VECTOR_ELT(names, 1) != R_NilValue)) return 0;
  return INTEGER_RO(size)[1] <= MAX_DIM ? INTEGER_RO(size)[1] : 0;
}

static SEXP product_of(const parts *x, SEXP index) {
  SEXP merged = PROTECT(merge_all(x, 2, 1)), roots = PROTECT(roots_of(x, 2)), out = R_NilValue;
  if (rows_agree(VECTOR_ELT(merged, DATA), VECTOR_ELT(merged, KIND))) {
    SEXP mult = PROTECT(Rf_mkChar("Mult"));
    SEXP root = PROTECT(Rf_ScalarString(define_in(merged, mult, roots, R_NilValue, 0)));
    out = reduced(merged, root, "Sum", index);
    UNPROTECT(2);
  }
  UNPROTECT(2);
  return out;
}

/* The sums over `index` of the LazyTensor x times the plain vector or matrix b, of which each row
 * is for one place of that index. */
SEXP rkeops_product(SEXP x, SEXP b, SEXP index) {
  const char kind[] = {'V', *CHAR(STRING_ELT(index, 0)), 0};
  int dim = plain_columns(b), columns = dim;
  if (!columns || !is_lazy(x)) return R_NilValue;
  parts p[2] = {sound_parts_of(x)};
  if (!is_plain(p) || !is_like(p, &dim) || !has_kind(p->kind, kind)) return R_NilValue;
  SEXP leaf = PROTECT(new_leaf(b, kind, columns));
  p[1] = parts_of(leaf);
  SEXP out = product_of(p, index);
  UNPROTECT(1);
  return out;
}
