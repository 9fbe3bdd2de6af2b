/* What the files of this folder offer to each other, and to cuda/, which has another compiler but
 * keeps what it builds in the same cache. */
#ifndef RKEOPS_BUILD_PARTS_H
#define RKEOPS_BUILD_PARTS_H

#include "build/build.h"
#include "build/sha256.h"
#include "caller.h"
#include "os.h"

/* ---- settings.c ----------------------------------------------------------------------------- */

struct rk_build_settings {
  char *include_dir, *cache_dir, *fallback_dir, *makeconf, *compiler; /* NULL: not set */
  double compile_timeout;
  int64_t cache_limit;
  int generation;                                       /* raised by every rk_build_configure */
  int users;                                            /* the process, and calls that run */
};

const rk_build_settings *rk_build_get_settings(void); /* those in use, else those of the process */

/* ---- words.c -------------------------------------------------------------------------------- */

/* Words of a command line, split like a shell does it but without expanding or running anything.
 * `word` ends with NULL. */
typedef struct {
  char **word;
  int n;
} rk_words;
int rk_words_split(rk_words *words, const char *text);
int rk_words_add(rk_words *words, const char *word);
void rk_words_free(rk_words *words);

/* The value of a variable in the text of a makefile, $(OTHER) replaced; nothing is run. 1 when it
 * is there. */
int rk_makeconf_value(const char *makefile, const char *name, rk_text *value);

/* ---- vectors.c ------------------------------------------------------------------------------ */

/* The text of RKEOPS_VECTORS; NULL when it says nothing. */
const char *rk_build_vectors_asked(void);

/* Are vectors of so many bytes narrower than what the processor has? Then kernels must not use all
 * of its features: may they use that one, named as rk_os_cpu_features does? */
int rk_vectors_are_forced(int bytes);
int rk_vectors_allow(int bytes, const char *feature);

/* ---- compiler.c ----------------------------------------------------------------------------- */

typedef struct {
  rk_words command; /* "ccache", "gcc", "-m64": what comes before our flags; [0] is a path */
  rk_text identity; /* path, size and time of each file named there; narrow vectors */
  rk_text version;  /* what --version says */
  rk_words flags;
  int vectors;      /* bytes of a vector */
} rk_compiler;

/* The compiler to use now, with flags that work, for vectors of so many bytes. Cheap when it is the
 * one of the last call: only the files are looked at. The caller's own, also when the poll finds
 * another one; to be freed whatever the status. */
rk_status rk_compiler_get(rk_compiler *compiler, int vectors, rk_caller caller);
void rk_compiler_free(rk_compiler *compiler);

/* One run of the compiler: writes `source` to <folder>/kernel.c and makes <folder>/kernel.so of it.
 * To be filled with {0} besides. */
#define RK_COMPILER_OUTPUT "kernel.so"
typedef struct {
  const char *folder, *source;
  rk_words command;
  rk_process_result result;
} rk_compile;

/* Several runs side by side, `most` at a time. *made: how many of them, from the first on, did what
 * they should; the status is that of the next one. */
rk_status rk_compiler_run(const rk_compiler *compiler, rk_compile *list, int n, int most,
                          int *made, rk_caller caller);

/* ---- cache.c -------------------------------------------------------------------------------- */

typedef struct {
  unsigned char digest[RK_HASH_BYTES];
} rk_key;

/* Folders in the order in which they are looked at: k = 0, 1, ... until NULL. Files are read only
 * in private folders. */
const char *rk_cache_folder(int k);

/* Opens the entry `key` of a folder, whole and unchanged; its payload is file->bytes up to
 * *payload. 0: a miss, whatever the reason. */
#define RK_ENTRY_KERNEL ".so"
#define RK_ENTRY_COMPILER ".txt"
#define RK_ENTRY_CUBIN ".cubin"
#define RK_ENTRY_PTX ".ptx"
int rk_cache_open(const char *folder, const rk_key *key, const char *kind, rk_private_file *file,
                  size_t *payload);

/* The same for a file that was sealed but not yet put in place. */
int rk_cache_open_file(const char *path, const rk_key *key, rk_private_file *file,
                       size_t *payload);

/* Makes an entry of the finished file `path`: appends the seal. */
int rk_cache_seal(const char *path, const rk_key *key);

/* Puts a sealed file that lies in a work folder of `folder` in its place, then evicts. */
int rk_cache_place(const char *path, const char *folder, const rk_key *key, const char *kind);

/* Calls `work` with a new private folder inside a cache folder, and removes that folder. When the
 * work fails and the folder may be the reason (full, not executable), the next one is tried. */
typedef rk_status (*rk_work)(void *data, const char *folder, const char *work_folder,
                             rk_error *error);
rk_status rk_cache_work(rk_work work, void *data, rk_error *error);

/* Why the first folder is not used, or NULL. */
const char *rk_cache_complaint(void);

/* ---- build.c -------------------------------------------------------------------------------- */

void rk_build_count(int compiled, int found_on_disk); /* adds to the counters */

#endif
