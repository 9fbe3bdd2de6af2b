/* SHA-256 (FIPS 180-4), for the names of cache files and for their integrity. */
#ifndef RKEOPS_SHA256_H
#define RKEOPS_SHA256_H

#include <stddef.h>
#include <stdint.h>

#define RK_HASH_BYTES 32
#define RK_HASH_TEXT (2 * RK_HASH_BYTES + 1)

typedef struct {
  uint32_t state[8];
  uint64_t bytes;
  unsigned char block[64];
} rk_sha256;

void rk_sha256_start(rk_sha256 *hash);
void rk_sha256_add(rk_sha256 *hash, const void *bytes, size_t n);
void rk_sha256_end(rk_sha256 *hash, unsigned char digest[RK_HASH_BYTES]);

/* Adds the length and then the string: two lists of fields never run into each other. */
void rk_sha256_field(rk_sha256 *hash, const char *string);

void rk_hash_text(const unsigned char digest[RK_HASH_BYTES], char text[RK_HASH_TEXT]);

#endif
