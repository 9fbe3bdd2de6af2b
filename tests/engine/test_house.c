/* The house rules of src/, read from its text: which folder may know which, where functions are
 * defined, how long functions and lines are, and that only a backend asks which one it is.
 *
 * Each rule is a function of a list of files that counts what breaks it. It runs on src/, and on
 * small made-up files of which some break it: a rule that cannot fail says nothing. To be run from
 * the root of the source tree. */
#include "check.h"
#include "os.h"

#include <ctype.h>
#include <dirent.h>
#include <stdarg.h>

enum { LONGEST_FUNCTION = 50, LONGEST_LINE = 100, MOST_FILES = 400, NAME = 64, PATH = 256 };

/* `code` is the text without comments, strings and preprocessor lines. */
typedef struct { char path[PATH], *text, *code; } source;
typedef struct { source file[MOST_FILES]; int n; } sources;

#define ENGINE_H "src/engine/engine.h"
#define BACKENDS_C "src/engine/backends.c"

static int complaints, is_quiet;

static void complain(const source *file, const char *at, const char *format, ...) {
  complaints++;
  if (is_quiet) return;
  int line = 1;
  for (const char *c = file->text; at && c < at; c++) line += *c == '\n';
  printf("%s:%d: ", file->path, line);
  va_list arguments;
  va_start(arguments, format);
  vprintf(format, arguments);
  va_end(arguments);
  printf("\n");
}

/* ---- folders --------------------------------------------------------------------------------- */

/* From the lowest to the highest: a file may include what is lower, and its own folder. "" is the
 * base: headers of the top folder that all stages share, and their files; "engine" is the rest of
 * it, "glue" what speaks with R. A new folder gets a line here. */
typedef struct { const char *folder; int level; } level;
static const level levels[] = {{"", 0}, {"formula", 1}, {"derive", 2}, {"plan", 3},
                               {"emit", 4}, {"build", 4}, {"walk", 3}, {"run", 4}, {"look", 4},
                               {"cpu", 5}, {"cuda", 5}, {"reference", 5},
                               {"engine", 6}, {"glue", 7}};
enum { FOLDERS = sizeof levels / sizeof *levels, BASE = 0, ENGINE = FOLDERS - 2, GLUE = FOLDERS - 1,
       PEERS = 4, BACKENDS = 5 }; /* places; levels */
static const char *const base[] = {"engine.h", "text.", "error.", "caller.h", "trace.",
                                   "rounding.h", "os.", "os_"};

static int folder_named(const char *name, int length) {
  for (int k = 0; k < FOLDERS; k++)
    if ((int)strlen(levels[k].folder) == length && !strncmp(levels[k].folder, name, (size_t)length))
      return k;
  return -1;
}

/* The place in `levels`; -1: there is no such folder. */
static int folder_of(const char *path) {
  static const char root[] = "src/engine/";
  if (strncmp(path, root, sizeof root - 1)) return GLUE;
  path += sizeof root - 1;
  const char *slash = strchr(path, '/');
  if (slash) return folder_named(path, (int)(slash - path));
  for (size_t k = 0; k < sizeof base / sizeof *base; k++)
    if (!strncmp(path, base[k], strlen(base[k]))) return BASE;
  return ENGINE;
}

/* May `from` know `to`? Emit, build and run are peers, which may as long as there is no circle;
 * backends know nothing of each other, and what speaks with R knows the base only. */
static int may_know(int from, int to) {
  if (from < 0 || to < 0) return 0;
  if (from == GLUE) return to == GLUE || to == BASE;
  if (from == to || levels[to].level < levels[from].level) return 1;
  return levels[to].level == levels[from].level && levels[to].level == PEERS;
}

static const source *file_at(const sources *list, const char *path) {
  for (int k = 0; k < list->n; k++)
    if (!strcmp(list->file[k].path, path)) return &list->file[k];
  return NULL;
}

/* The file of the list that the name between quotes means, from the engine's root or, as a name of
 * no other folder, from that of `from`; NULL: another one (inst/include). */
static const source *included(const sources *list, const source *from, const char *name) {
  char path[2 * PATH];
  int length = (int)strcspn(name, "\""), folder = (int)(strrchr(from->path, '/') + 1 - from->path);
  snprintf(path, sizeof path, "src/engine/%.*s", length, name);
  const source *found = file_at(list, path);
  snprintf(path, sizeof path, "%.*s%.*s", folder, from->path, length, name);
  return found ? found : file_at(list, path);
}

/* Calls `visit` with each file that another one includes. */
typedef void (*visitor)(const source *from, const source *to, const char *at, void *data);
static void each_include(const sources *list, visitor visit, void *data) {
  static const char word[] = "#include \"";
  for (int k = 0; k < list->n; k++)
    for (const char *at = list->file[k].text; (at = strstr(at, word)) != NULL; at++) {
      const source *to = included(list, &list->file[k], at + sizeof word - 1);
      if (to) visit(&list->file[k], to, at, data);
    }
}

static void check_include(const source *from, const source *to, const char *at, void *data) {
  (void)data;
  if (!may_know(folder_of(from->path), folder_of(to->path)))
    complain(from, at, "must not include %s", to->path);
}

static void order_rule(const sources *list) {
  for (int k = 0; k < list->n; k++) {
    const char *up = strstr(list->file[k].text, "#include \"../");
    if (folder_of(list->file[k].path) < 0)
      complain(&list->file[k], NULL, "the order of folders does not name this one");
    if (up) complain(&list->file[k], up, "paths begin in src/engine");
  }
  each_include(list, check_include, NULL);
}

typedef struct { int knows[FOLDERS][FOLDERS]; } knowledge;

static void note_include(const source *from, const source *to, const char *at, void *data) {
  knowledge *known = data;
  int a = folder_of(from->path), b = folder_of(to->path);
  (void)at;
  if (a >= 0 && b >= 0 && a != b) known->knows[a][b] = 1;
}

static void circle_rule(const sources *list) {
  knowledge known = {0};
  each_include(list, note_include, &known);
  for (int k = 0; k < FOLDERS; k++)
    for (int a = 0; a < FOLDERS; a++)
      for (int b = 0; b < FOLDERS; b++)
        known.knows[a][b] |= known.knows[a][k] && known.knows[k][b];
  for (int a = 0; a < FOLDERS; a++)
    if (known.knows[a][a])
      complain(&list->file[0], NULL, "the folder \"%s\" is in a circle", levels[a].folder);
}

/* ---- declarations and definitions ------------------------------------------------------------ */

/* A function rk_..., where its name stands, where its body begins and ends (NULL: it has none). */
typedef struct { char name[NAME]; const source *file; const char *at, *body, *end; int hidden; }
    function;

static const char *in_text(const function *one) {
  return one->at - one->file->code + one->file->text;
}

static int is_name(char c) { return isalnum((unsigned char)c) || c == '_'; }

static const char *end_of_braces(const char *at) {
  int depth = 0;
  for (; *at; at++) {
    depth += *at == '{';
    depth -= *at == '}';
    if (!depth) return at;
  }
  return at;
}

static int starts_with(const char *at, const char *end, const char *word) {
  while (at < end && isspace((unsigned char)*at)) at++;
  return end - at > (int)strlen(word) && !strncmp(at, word, strlen(word)) &&
         !is_name(at[strlen(word)]);
}

/* The name before the first parenthesis of an item, if that is a function's. */
static int name_of(const char *item, const char *end, function *found) {
  const char *open = item;
  while (open < end && *open != '(' && *open != '=') open++;
  if (open == end || *open == '=' || starts_with(item, end, "typedef")) return 0;
  const char *last = open, *first;
  while (last > item && isspace((unsigned char)last[-1])) last--;
  for (first = last; first > item && is_name(first[-1]);) first--;
  found->at = first;
  snprintf(found->name, sizeof found->name, "%.*s", (int)(last - first), first);
  found->hidden = starts_with(item, end, "static");
  return last > first;
}

static int ends_in_parenthesis(const char *item, const char *end) {
  while (end > item && isspace((unsigned char)end[-1])) end--;
  return end > item && end[-1] == ')';
}

/* The next item of a file that is a function, from *at on; 0: there is none. */
static int next_function(const source *file, const char **at, function *found) {
  const char *item = *at;
  for (const char *c = item; *c; c++) {
    if (*c != ';' && *c != '{') continue;
    *found = (function){.file = file};
    int is_function = name_of(item, c, found) && (*c == ';' || ends_in_parenthesis(item, c));
    if (*c == '{') {
      found->body = c;
      found->end = c = end_of_braces(c);
      if (!*c) return 0;
      if (!is_function) continue;
    }
    *at = item = c + 1;
    if (is_function) return 1;
  }
  return 0;
}

typedef struct { function *item; int n, capacity; } functions;

static void add_function(functions *all, const function *one) {
  if (all->n == all->capacity) {
    all->capacity = all->capacity ? 2 * all->capacity : 256;
    all->item = realloc(all->item, (size_t)all->capacity * sizeof *all->item);
    if (!all->item) exit(2);
  }
  all->item[all->n++] = *one;
}

static int is_kind(const source *file, const char *ending) {
  return !strcmp(strrchr(file->path, '.'), ending);
}

static int by_name(const void *a, const void *b) {
  return strcmp(((const function *)a)->name, ((const function *)b)->name);
}

/* All that .c files define for others, by name. */
static functions definitions(const sources *list) {
  functions all = {0};
  function one;
  for (int k = 0; k < list->n; k++)
    for (const char *at = list->file[k].code; next_function(&list->file[k], &at, &one);)
      if (one.body && !one.hidden && is_kind(&list->file[k], ".c")) add_function(&all, &one);
  if (all.n) qsort(all.item, (size_t)all.n, sizeof *all.item, by_name);
  return all;
}

static const function *definition(const functions *all, const char *name) {
  function key;
  snprintf(key.name, sizeof key.name, "%s", name);
  return all->n ? bsearch(&key, all->item, (size_t)all->n, sizeof key, by_name) : NULL;
}

/* What a header of a folder declares is defined in that folder; what engine.h declares is for users
 * and defined where it belongs. And no .c file declares what another one has. The one exception are
 * the variables rk_backend_...: backends.c declares those of its list by a macro, which knows no
 * backend's header. */
static void declared_rule(const sources *list) {
  functions all = definitions(list);
  function one;
  for (int k = 0; k < list->n; k++) {
    const source *file = &list->file[k];
    int is_header = is_kind(file, ".h");
    if (!strcmp(file->path, ENGINE_H)) continue;
    for (const char *at = file->code; next_function(file, &at, &one);) {
      if (one.body || one.hidden) continue;
      const function *made = definition(&all, one.name);
      if (made && (!is_header || folder_of(made->file->path) != folder_of(file->path)))
        complain(file, in_text(&one), "declares %s of %s", one.name, made->file->path);
    }
  }
  free(all.item);
}

/* Functions are called downwards as well: also those of engine.h, which all may include. */
static void call_rule(const sources *list) {
  functions all = definitions(list);
  char name[NAME];
  for (int k = 0; k < list->n; k++) {
    const source *file = &list->file[k];
    int own = folder_of(file->path);
    if (own == GLUE || !strcmp(file->path, ENGINE_H)) continue;
    for (const char *at = file->code; (at = strstr(at, "rk_")) != NULL; at++) {
      int length = 0;
      while (is_name(at[length])) length++;
      if (is_name(at > file->code ? at[-1] : ' ') || at[length] != '(') continue;
      snprintf(name, sizeof name, "%.*s", length, at);
      const function *made = definition(&all, name);
      if (made && !may_know(own, folder_of(made->file->path)))
        complain(file, at - file->code + file->text, "calls %s of %s", name, made->file->path);
    }
  }
  free(all.item);
}

/* ---- sizes ----------------------------------------------------------------------------------- */

static void function_rule(const sources *list) {
  function one;
  for (int k = 0; k < list->n; k++)
    for (const char *at = list->file[k].code; next_function(&list->file[k], &at, &one);) {
      int lines = 1;
      for (const char *c = one.at; one.body && c < one.end; c++) lines += *c == '\n';
      if (lines > LONGEST_FUNCTION)
        complain(&list->file[k], in_text(&one), "%s has %d lines", one.name, lines);
    }
}

static void line_rule(const sources *list) {
  for (int k = 0; k < list->n; k++) {
    int columns = 0;
    for (const char *c = list->file[k].text; *c; c++) {
      columns += (*c & 0xC0) != 0x80; /* of a letter of several bytes the first one counts */
      if (*c == '\n') columns = 0;
      if (columns == LONGEST_LINE + 1) complain(&list->file[k], c, "a line is too long");
    }
  }
}

/* Are braces and comments read as they are meant? Else the other rules see nothing. */
static void braces_rule(const sources *list) {
  for (int k = 0; k < list->n; k++) {
    int depth = 0, least = 0;
    for (const char *c = list->file[k].code; *c; c++) {
      depth += (*c == '{') - (*c == '}');
      if (depth < least) least = depth;
    }
    if (depth || least) complain(&list->file[k], NULL, "braces that do not match");
  }
}

/* ---- backends -------------------------------------------------------------------------------- */

/* rk_backend_cpu and the like stand in the folder of a backend and in the list only. */
static void backend_rule(const sources *list) {
  static const char word[] = "rk_backend_";
  for (int k = 0; k < list->n; k++) {
    const source *file = &list->file[k];
    int own = folder_of(file->path);
    if (own >= 0 && levels[own].level == BACKENDS) continue;
    if (!strcmp(file->path, BACKENDS_C)) continue;
    for (const char *at = file->text; (at = strstr(at, word)) != NULL; at++) {
      int length = 0;
      while (is_name(at[sizeof word - 1 + length])) length++;
      int named = folder_named(at + sizeof word - 1, length);
      if (named >= 0 && levels[named].level == BACKENDS)
        complain(file, at, "asks for the backend %s", levels[named].folder);
    }
  }
}

/* ---- reading --------------------------------------------------------------------------------- */

/* The end of the comment, the string or the character that begins here, or `at`. */
static const char *end_of_quoted(const char *at) {
  if (at[0] == '/' && at[1] == '*') {
    const char *end = strstr(at + 2, "*/");
    return end ? end + 2 : at + strlen(at);
  }
  if (*at != '"' && *at != '\'') return at;
  const char quote = *at++;
  while (*at && *at != quote) at += *at == '\\' && at[1] ? 2 : 1;
  return *at ? at + 1 : at;
}

static const char *end_of_directive(const char *at) {
  while (*at && *at != '\n') at += *at == '\\' && at[1] ? 2 : 1;
  return at;
}

/* A copy in which all but code is blank; lines stay where they are. */
static char *code_of(const char *text) {
  char *code = malloc(strlen(text) + 1), *to = code;
  int fresh = 1; /* nothing but space in this line so far */
  for (const char *at = text; code && *at;) {
    const char *end = *at == '#' && fresh ? end_of_directive(at) : end_of_quoted(at);
    for (; at < end; at++) *to++ = *at == '\n' ? '\n' : ' ';
    if (!*at) break;
    if (*at == '\n') fresh = 1;
    else if (!isspace((unsigned char)*at)) fresh = 0;
    if (end_of_quoted(at) == at && !(*at == '#' && fresh)) *to++ = *at++;
  }
  if (code) *to = 0;
  return code;
}

static void add_source(sources *list, const char *path, char *text) {
  if (list->n == MOST_FILES || !text) exit(2);
  source *file = &list->file[list->n++];
  snprintf(file->path, sizeof file->path, "%s", path);
  file->text = text;
  file->code = code_of(text);
  if (!file->code) exit(2);
}

static void free_sources(sources *list) {
  for (int k = 0; k < list->n; k++) {
    free(list->file[k].text);
    free(list->file[k].code);
  }
  list->n = 0;
}

/* Names without an ending are folders. */
static void read_folder(sources *list, const char *path) {
  char name[PATH];
  DIR *folder = opendir(path);
  for (struct dirent *entry; folder && (entry = readdir(folder)) != NULL;) {
    const char *dot = strrchr(entry->d_name, '.');
    if (entry->d_name[0] == '.') continue;
    int length = snprintf(name, sizeof name, "%s/%s", path, entry->d_name);
    if (length >= PATH) exit(2);
    if (!dot) read_folder(list, name);
    else if (!strcmp(dot, ".c") || !strcmp(dot, ".h")) {
      char *text = NULL;
      size_t n;
      rk_os_read(name, &text, &n);
      add_source(list, name, text);
    }
  }
  if (folder) closedir(folder);
}

/* ---- the rules ------------------------------------------------------------------------------- */

typedef void (*rule)(const sources *list);

static int broken(rule check, const sources *list) {
  complaints = 0;
  check(list);
  return complaints;
}

/* Of two made-up files, how often do they break a rule? */
static int breaks(rule check, const char *path, const char *text, const char *other,
                  const char *other_text) {
  static sources list;
  const char *texts[] = {text, other_text}, *paths[] = {path, other};
  for (int k = 0; k < 2; k++) {
    char *copy = malloc(strlen(texts[k]) + 1);
    if (copy) strcpy(copy, texts[k]);
    add_source(&list, paths[k], copy);
  }
  is_quiet = 1;
  int count = broken(check, &list);
  is_quiet = 0;
  free_sources(&list);
  return count;
}

#define PLAN_H "src/engine/plan/plan.h"
#define CPU_C "src/engine/cpu/module.c"
#define CUDA_H "src/engine/cuda/cuda.h"
#define RUN_C "src/engine/run/call.c"

/* A function of so many lines, then one line of so many columns. */
static const char *text_of(int lines, int columns) {
  static char text[1024];
  int used = snprintf(text, sizeof text, "static int f(void) {");
  for (int k = 1; k < lines; k++) used += snprintf(text + used, 8, "\n");
  snprintf(text + used, sizeof text - (size_t)used, "}\n%*d\n", columns, 0);
  return text;
}

#define DOWN "#include \"plan/plan.h\"\n"
#define UP "#include \"cuda/cuda.h\"\n"
#define BUILD_H "src/engine/build/build.h"
#define BUILD "#include \"build/build.h\"\n"
#define SIZE "int rk_size(int n) { return n; }"
#define ASKS "return b == &rk_backend_cuda;"

/* What the rules let pass, and what they find: so often in two files. */
static void test_rules(void) {
  const struct { rule check; const char *path, *text, *other, *other_text; int times; } cases[] = {
    {order_rule, CPU_C, DOWN, PLAN_H, "", 0}, /* down, not up, neither so */
    {order_rule, PLAN_H, UP, CUDA_H, "", 1},
    {order_rule, PLAN_H, "#include \"../cuda/cuda.h\"\n", CUDA_H, "", 1},
    {order_rule, CPU_C, UP, CUDA_H, "", 1}, /* one backend another, what speaks with R a stage */
    {order_rule, "src/r_gpu.c", UP, CUDA_H, "", 1},
    {order_rule, "src/engine/formula/graph.h", "#include \"programs.h\"\n",
     "src/engine/programs.h", "", 1}, /* nothing the pipeline, the base no stage */
    {order_rule, "src/engine/error.h", DOWN, PLAN_H, "", 1},
    {order_rule, CUDA_H, "#include \"kernel.h\"\n", "src/engine/cuda/kernel.h", "", 0},
    {order_rule, "src/engine/attic/a.c", "", PLAN_H, "", 1}, /* folders have a level */
    {circle_rule, RUN_C, BUILD, BUILD_H, "", 0}, /* peers know each other, but in no circle */
    {circle_rule, RUN_C, BUILD, BUILD_H, "#include \"run/call.c\"\n", 2},
    {declared_rule, PLAN_H, "int rk_size(int n);", "src/engine/plan/plan.c", SIZE, 0},
    {declared_rule, CUDA_H, "int rk_size(int n);", "src/engine/plan/a.c",
     "/* size */\nint rk_size(int n)\n{ return n; }", 1},
    {declared_rule, ENGINE_H, "int rk_size(int n);", CPU_C, SIZE, 0},
    {declared_rule, CUDA_H, "static int rk_size(int n);", CPU_C, "static " SIZE, 0},
    {declared_rule, RUN_C, "struct t { int a; };\nextern int rk_size(int n);", CPU_C,
     "int a[] = {1};\n" SIZE, 1}, /* a .c file declares nothing of others */
    {call_rule, CPU_C, "int f(void) { return rk_size(1); }", RUN_C, SIZE, 0},
    {call_rule, RUN_C, "static int f(void) { return rk_size(1) + rk_size(2); }", CPU_C, SIZE, 2},
    {call_rule, RUN_C, "/* rk_size(1) */ const char *s = \"rk_size(1)\";", CPU_C, SIZE, 0},
    {braces_rule, CPU_C, "int f(void) { if (1) { }", RUN_C,
     "char c = '{', *s = \"{\\\"{\"; /* } */\n#define OPEN \\\n {\n", 1},
    {backend_rule, RUN_C, ASKS, "src/engine/engine.c", ASKS, 2},
    {backend_rule, CUDA_H, ASKS, RUN_C, "rk_backend_chosen(); rk_backend_named(name);", 0},
    {backend_rule, BACKENDS_C, ASKS, RUN_C, "", 0}};
  for (size_t k = 0; k < sizeof cases / sizeof *cases; k++)
    CHECK(breaks(cases[k].check, cases[k].path, cases[k].text, cases[k].other,
                 cases[k].other_text) == cases[k].times, cases[k].text);
}

static void test_sizes(void) {
  CHECK(!breaks(function_rule, CPU_C, text_of(50, 1), RUN_C, ""), "50 lines");
  CHECK(breaks(function_rule, CPU_C, text_of(51, 1), RUN_C, "") == 1, "51 lines");
  CHECK(!breaks(line_rule, CPU_C, text_of(1, 98), RUN_C, "/* \xc3\xa4 */"), "98 columns");
  CHECK(!breaks(line_rule, CPU_C, text_of(1, 100), RUN_C, ""), "100 columns");
  CHECK(breaks(line_rule, CPU_C, text_of(1, 101), RUN_C, "") == 1, "101 columns");
}

int main(void) {
  static sources list;
  test_rules();
  test_sizes();
  read_folder(&list, "src");
  functions all = definitions(&list);
  CHECK(list.n > 100 && all.n > 200, "the sources are there, and are read");
  free(all.item);
  CHECK(!broken(braces_rule, &list), "braces match");
  CHECK(!broken(order_rule, &list), "includes go downwards");
  CHECK(!broken(circle_rule, &list), "no circles");
  CHECK(!broken(declared_rule, &list), "what is declared in a folder is defined there");
  CHECK(!broken(call_rule, &list), "calls go downwards");
  CHECK(!broken(function_rule, &list), "functions are short");
  CHECK(!broken(line_rule, &list), "lines are short");
  CHECK(!broken(backend_rule, &list), "nobody asks which backend it is");
  free_sources(&list);
  return check_end();
}
