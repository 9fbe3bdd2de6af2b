/* The disk cache: folders, entries, eviction. The format of an entry is in README.md.
 *
 * Nothing here trusts what it finds: a folder or file that others can write is passed over, and an
 * entry counts only when its seal agrees with its name and with all of its bytes. Nothing is
 * locked: entries are made in a work folder of their own and renamed, so readers see a whole entry
 * or none, and many processes may do the same work at once. */
#include "build/parts.h"

#include <stdlib.h>
#include <string.h>

#define SEAL_BYTES 64
#define ENTRY_LIMIT (64u << 20)
#define NAME_LENGTH (2 * RK_HASH_BYTES)
#define HOUR (INT64_C(3600) * 1000000000)

static const char seal_magic[16] = "rkeops kernel 1";

/* ---- folders -------------------------------------------------------------------------------- */

#define FOLDERS 3 /* cache_dir, fallback_dir, and one of our own below TMPDIR */

static struct {
  int generation;
  int given_up[FOLDERS]; /* could not be written, or code in it could not be loaded */
  char *own;
  int64_t owner;         /* the process that made `own`, and removes it */
} folders;

static void remove_own_folder(void) {
  if (folders.own && folders.owner == rk_os_process_id()) rk_os_remove_folder(folders.own);
}

static const char *make_own_folder(void) {
  static int registered = 0;
  rk_file_info info;
  if (folders.own && rk_os_info(folders.own, &info)) return folders.own;
  unsigned char random[8];
  rk_os_random(random, sizeof random);
  rk_text path = {0};
  rk_text_format(&path, "%s/rkeops-%lld-", rk_os_temporary(), (long long)rk_os_process_id());
  for (size_t k = 0; k < sizeof random; k++) rk_text_format(&path, "%02x", random[k]);
  free(folders.own);
  folders.own = rk_text_steal(&path);
  if (folders.own && !rk_os_make_new_folder(folders.own)) {
    free(folders.own);
    folders.own = NULL;
  }
  folders.owner = rk_os_process_id();
  if (!registered) registered = atexit(remove_own_folder) == 0;
  return folders.own;
}

/* NULL when it is not set, or, for our own, not made yet. */
static const char *folder_path(int k) {
  const rk_build_settings *settings = rk_build_get_settings();
  if (folders.generation != settings->generation) {
    memset(folders.given_up, 0, sizeof folders.given_up);
    folders.generation = settings->generation;
  }
  const char *path = k == 0 ? settings->cache_dir : k == 1 ? settings->fallback_dir : folders.own;
  return path && *path ? path : NULL;
}

const char *rk_cache_folder(int k) {
  for (int j = 0; j < FOLDERS; j++)
    if (folder_path(j) && k-- == 0) return folder_path(j);
  return NULL;
}

/* Folder j, made if it is not there; NULL when it cannot be used for writing. */
static const char *writable_folder(int j) {
  const char *path = folder_path(j);
  if (folders.given_up[j]) return NULL;
  if (j == FOLDERS - 1) path = make_own_folder();
  if (path && rk_os_make_folder(path) && !rk_os_not_private(path)) return path;
  folders.given_up[j] = path != NULL && j < FOLDERS - 1;
  return NULL;
}

const char *rk_cache_complaint(void) {
  const char *path = folder_path(0);
  rk_file_info info;
  if (!path) return "is not set";
  if (folders.given_up[0] && !rk_os_info(path, &info)) return "cannot be made";
  if (rk_os_info(path, &info) && rk_os_not_private(path)) return rk_os_not_private(path);
  return folders.given_up[0] ? "cannot be used for new kernels" : NULL;
}

const char *rk_build_folder(void) {
  for (int j = 0; j < FOLDERS; j++) {
    const char *path = writable_folder(j);
    if (path) return path;
  }
  return NULL;
}

/* ---- entries -------------------------------------------------------------------------------- */

static int entry_path(rk_text *path, const char *folder, const rk_key *key, const char *kind) {
  char name[RK_HASH_TEXT];
  rk_hash_text(key->digest, name);
  rk_text_format(path, "%s/%s%s", folder, name, kind);
  return !path->failed;
}

static void put_length(unsigned char bytes[8], uint64_t n) {
  for (int k = 0; k < 8; k++) bytes[k] = (unsigned char)(n >> (8 * k));
}

/* Magic, length of the payload, eight bytes 0, and the hash of key and payload. */
static void make_seal(unsigned char seal[SEAL_BYTES], const rk_key *key, const char *payload,
                      size_t n) {
  rk_sha256 hash;
  rk_sha256_start(&hash);
  rk_sha256_add(&hash, key->digest, RK_HASH_BYTES);
  rk_sha256_add(&hash, payload, n);
  memset(seal, 0, SEAL_BYTES);
  memcpy(seal, seal_magic, sizeof seal_magic);
  put_length(seal + 16, n);
  rk_sha256_end(&hash, seal + 32);
}

int rk_cache_open_file(const char *path, const rk_key *key, rk_private_file *file,
                       size_t *payload) {
  if (!rk_os_open_private(path, ENTRY_LIMIT, file)) return 0;
  unsigned char seal[SEAL_BYTES];
  if (file->n > SEAL_BYTES) {
    *payload = file->n - SEAL_BYTES;
    make_seal(seal, key, file->bytes, *payload);
    if (memcmp(seal, file->bytes + *payload, SEAL_BYTES) == 0) return 1;
  }
  rk_os_close_private(file);
  return 0;
}

/* Modification times are the times of last use, to the hour. */
int rk_cache_open(const char *folder, const rk_key *key, const char *kind, rk_private_file *file,
                  size_t *payload) {
  if (rk_os_not_private(folder)) return 0;
  rk_text path = {0};
  int good = entry_path(&path, folder, key, kind) &&
             rk_cache_open_file(path.bytes, key, file, payload);
  rk_text_free(&path);
  if (good && rk_os_now() - file->modified > HOUR) rk_os_touch_private(file);
  return good;
}

int rk_cache_seal(const char *path, const rk_key *key) {
  char *payload;
  size_t n;
  unsigned char seal[SEAL_BYTES];
  if (!rk_os_read(path, &payload, &n)) return 0;
  make_seal(seal, key, payload, n);
  free(payload);
  return n > 0 && n + SEAL_BYTES <= ENTRY_LIMIT && rk_os_seal(path, seal, SEAL_BYTES);
}

/* ---- eviction ------------------------------------------------------------------------------- */

typedef struct {
  char name[NAME_LENGTH + 8];
  int64_t bytes, modified;
} entry_file;

typedef struct {
  const char *folder;
  entry_file *entry;
  size_t n, capacity;
  int64_t bytes;
} entry_list;

static int is_entry_name(const char *name) {
  for (int k = 0; k < NAME_LENGTH; k++)
    if (!name[k] || !strchr("0123456789abcdef", name[k])) return 0;
  const char *kind = name + NAME_LENGTH;
  return strcmp(kind, RK_ENTRY_KERNEL) == 0 || strcmp(kind, RK_ENTRY_COMPILER) == 0 ||
         strcmp(kind, RK_ENTRY_CUBIN) == 0 || strcmp(kind, RK_ENTRY_PTX) == 0;
}

static void add_entry(entry_list *listing, const char *name, const rk_file_info *info) {
  if (listing->n == listing->capacity) {
    size_t capacity = listing->capacity ? 2 * listing->capacity : 64;
    entry_file *longer = realloc(listing->entry, capacity * sizeof *longer);
    if (!longer) return; /* seen at the next eviction */
    listing->entry = longer;
    listing->capacity = capacity;
  }
  entry_file *entry = &listing->entry[listing->n++];
  memcpy(entry->name, name, strlen(name) + 1);
  entry->bytes = info->bytes;
  entry->modified = info->modified;
  listing->bytes += info->bytes;
}

/* Work folders of processes that were killed go when nobody can be working in them any more. */
static int is_stale_work(const char *name, const rk_file_info *info) {
  double patience = 2 * RK_PATIENCE * rk_build_get_settings()->compile_timeout;
  int64_t age = rk_os_now() - info->modified;
  return strncmp(name, "tmp-", 4) == 0 && info->is_folder && age > HOUR &&
         (double)age * 1e-9 > patience;
}

static void visit_entry(void *data, const char *name) {
  entry_list *listing = data;
  rk_text path = {0};
  rk_file_info info;
  rk_text_format(&path, "%s/%s", listing->folder, name);
  if (!path.failed && rk_os_info(path.bytes, &info)) {
    if (is_entry_name(name) && !info.is_folder) add_entry(listing, name, &info);
    else if (is_stale_work(name, &info)) rk_os_remove_folder(path.bytes);
  }
  rk_text_free(&path);
}

static int list_entries(const char *folder, entry_list *listing) {
  *listing = (entry_list){.folder = folder};
  return rk_os_list(folder, visit_entry, listing);
}

static int older_first(const void *a, const void *b) {
  const entry_file *x = a, *y = b;
  if (x->modified != y->modified) return x->modified < y->modified ? -1 : 1;
  return strcmp(x->name, y->name);
}

static char *make_work_folder(const char *folder) {
  unsigned char random[8];
  rk_os_random(random, sizeof random);
  rk_text path = {0};
  rk_text_format(&path, "%s/tmp-%lld-", folder, (long long)rk_os_process_id());
  for (size_t k = 0; k < sizeof random; k++) rk_text_format(&path, "%02x", random[k]);
  char *name = rk_text_steal(&path);
  if (name && rk_os_make_new_folder(name)) return name;
  free(name);
  return NULL;
}

/* Into a work folder, which goes when it is old. */
static int set_aside(const char *folder, const char *path) {
  char *work_folder = make_work_folder(folder);
  rk_text place = {0};
  rk_text_format(&place, "%s/loaded", work_folder ? work_folder : "");
  int moved = work_folder && !place.failed && rk_os_rename(path, place.bytes);
  if (work_folder && !moved) rk_os_remove_folder(work_folder);
  rk_text_free(&place);
  free(work_folder);
  return moved;
}

/* A file that a process has loaded stays there for that process: only its name goes. On Windows it
 * can be moved, but not removed. */
static int remove_entry(entry_list *listing, const entry_file *entry) {
  rk_text path = {0};
  rk_text_format(&path, "%s/%s", listing->folder, entry->name);
  int removed = !path.failed && (rk_os_remove(path.bytes) ||
                                 set_aside(listing->folder, path.bytes));
  if (removed) listing->bytes -= entry->bytes;
  rk_text_free(&path);
  return removed;
}

/* `spared` was written a moment ago, and is what the caller waits for. */
static void evict(const char *folder, const char *spared) {
  entry_list listing;
  int64_t limit = rk_build_get_settings()->cache_limit;
  if (list_entries(folder, &listing) && listing.bytes > limit) {
    qsort(listing.entry, listing.n, sizeof *listing.entry, older_first);
    for (size_t k = 0; k < listing.n && listing.bytes > limit; k++)
      if (strcmp(listing.entry[k].name, spared) != 0) remove_entry(&listing, &listing.entry[k]);
  }
  free(listing.entry);
}

int rk_cache_place(const char *path, const char *folder, const rk_key *key, const char *kind) {
  rk_text place = {0};
  int placed = entry_path(&place, folder, key, kind) && rk_os_rename(path, place.bytes);
  if (placed) evict(folder, place.bytes + strlen(folder) + 1);
  rk_text_free(&place);
  return placed;
}

rk_status rk_cache_usage(int64_t *files, int64_t *bytes, rk_error *error) {
  (void)error;
  *files = *bytes = 0;
  const char *folder;
  for (int k = 0; (folder = rk_cache_folder(k)) != NULL; k++) {
    entry_list listing;
    if (!rk_os_not_private(folder) && list_entries(folder, &listing)) {
      *files += (int64_t)listing.n;
      *bytes += listing.bytes;
      free(listing.entry);
    }
  }
  return RK_OK;
}

rk_status rk_cache_clear(rk_error *error) {
  rk_status status = RK_OK;
  const char *folder;
  for (int k = 0; (folder = rk_cache_folder(k)) != NULL; k++) {
    entry_list listing;
    if (rk_os_not_private(folder) || !list_entries(folder, &listing)) continue;
    for (size_t e = 0; e < listing.n; e++)
      if (!remove_entry(&listing, &listing.entry[e]))
        status = rk_fail(error, RK_ERROR_SYSTEM, "%s/%s could not be removed: %s.", folder,
                         listing.entry[e].name, rk_os_reason());
    free(listing.entry);
  }
  return status;
}

/* ---- work folders --------------------------------------------------------------------------- */

/* A full disk shows in compilers in many ways; so try. */
static int has_room(const char *work_folder) {
  const size_t n = 1 << 18;
  rk_text path = {0};
  rk_text_format(&path, "%s/room", work_folder);
  char *zeros = calloc(n, 1);
  int good = zeros && !path.failed && rk_os_write_new(path.bytes, zeros, n);
  if (!path.failed) rk_os_remove(path.bytes);
  free(zeros);
  rk_text_free(&path);
  return good;
}

/* RK_ERROR_SYSTEM is the folder's fault always, a failing compiler when there is no room. */
static rk_status work_in(int j, const char *folder, rk_work work, void *data, rk_error *error,
                         int *next) {
  char *absolute = rk_os_absolute(folder);
  char *work_folder = absolute ? make_work_folder(absolute) : NULL;
  rk_status status = RK_ERROR_SYSTEM;
  if (work_folder) {
    status = work(data, absolute, work_folder, error);
    *next = status == RK_ERROR_SYSTEM || (status == RK_ERROR_COMPILE && !has_room(work_folder));
    rk_os_remove_folder(work_folder);
  } else {
    status = rk_fail_system(error, "A folder could not be made in %s: %s.", folder,
                            rk_os_reason());
    *next = status == RK_ERROR_SYSTEM;
  }
  if (*next) folders.given_up[j] = j < FOLDERS - 1;
  free(work_folder);
  free(absolute);
  return status;
}

/* When nothing worked anywhere, it was no folder's fault: all are tried again next time. */
rk_status rk_cache_work(rk_work work, void *data, rk_error *error) {
  rk_status status = RK_ERROR_SYSTEM;
  int tried = 0, next = 1, before[FOLDERS];
  folder_path(0); /* settings may be new */
  memcpy(before, folders.given_up, sizeof before);
  for (int j = 0; j < FOLDERS && next; j++) {
    const char *folder = writable_folder(j);
    if (!folder) continue;
    tried = 1;
    status = work_in(j, folder, work, data, error, &next);
  }
  if (tried && status != RK_OK) memcpy(folders.given_up, before, sizeof before);
  if (tried) return status;
  return rk_fail(error, RK_ERROR_SYSTEM,
                 "There is no folder that kernels could be compiled in: neither the cache folder "
                 "(%s) nor a private folder below %s can be used.",
                 folder_path(0) ? folder_path(0) : "not set", rk_os_temporary());
}
