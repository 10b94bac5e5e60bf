/* Code points as bytes and back, for what we wrote ourselves. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define UTF8_MOST_BYTES 4

/* Returns the bytes written. What is no code point, or a control, becomes U+FFFD. */
size_t utf8_put(uint32_t code, uint8_t *ret_bytes);

/* Returns the bytes taken. Only for what utf8_put() wrote. */
size_t utf8_get(const uint8_t *bytes, uint32_t *ret_code);

/* How many bytes the sequence has that begins so: 1 to 4; 0 for a byte that begins none. */
size_t utf8_length(uint8_t first);

/* How many bytes the character at `bytes` has if it is a whole one that may be printed; else 0. */
size_t utf8_valid(const uint8_t *bytes, size_t n);

/* Marks that join the character before them and are yet in the table of wide ones: libvterm 0.1.4 adds
 * their two columns to its width when it sees both at once, and does not join them in the last column. */
#define UTF8_WIDE_MARK_BYTES 3
bool utf8_is_wide_mark(uint32_t code);
