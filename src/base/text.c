#include "base/text.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { DISTANCE_MOST = 64 };

/* Length of the UTF-8 sequence that a first byte announces, and the smallest code point that needs
 * that length; 0 when no sequence begins so (RFC 3629). */
static size_t sequence_length(unsigned char first, uint32_t *ret_least, uint32_t *ret_bits)
{
	if (first < 0x80) {
		*ret_least = 0;
		*ret_bits = first;
		return 1;
	}
	if ((first & 0xe0) == 0xc0) {
		*ret_least = 0x80;
		*ret_bits = first & 0x1f;
		return 2;
	}
	if ((first & 0xf0) == 0xe0) {
		*ret_least = 0x800;
		*ret_bits = first & 0x0f;
		return 3;
	}
	if ((first & 0xf8) == 0xf0) {
		*ret_least = 0x10000;
		*ret_bits = first & 0x07;
		return 4;
	}
	return 0;
}

/* Length of the character at `text` if it may be printed as it is, else 0. */
static size_t printable_length(const unsigned char *text, bool quote_space)
{
	uint32_t least, code;
	const size_t length = sequence_length(text[0], &least, &code);

	if (length == 0)
		return 0;
	for (size_t i = 1; i < length; i++) {
		if ((text[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (text[i] & 0x3f);
	}
	if (code < least || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
		return 0;
	if (code < 0x20 || (code >= 0x7f && code <= 0x9f) || code == '\\')
		return 0;
	return quote_space && code == ' ' ? 0 : length;
}

void text_escape(const char *text, bool quote_space, char *ret_text, size_t size)
{
	static const char hex[] = "0123456789abcdef";
	const unsigned char *from = (const unsigned char *)text;
	size_t used = 0;

	if (size == 0)
		return;
	while (*from != '\0') {
		const size_t length = printable_length(from, quote_space);
		const size_t need = length > 0 ? length : 4;

		if (need >= size - used)
			break;
		if (length > 0)
			memcpy(ret_text + used, from, length);
		else
			memcpy(ret_text + used,
			       (char[]){ '\\', 'x', hex[*from >> 4], hex[*from & 0xf] }, 4);
		used += need;
		from += length > 0 ? length : 1;
	}
	ret_text[used] = '\0';
}

bool text_is_printable(const char *text)
{
	const unsigned char *at = (const unsigned char *)text;

	while (*at != '\0') {
		const size_t length = *at == '\\' ? 1 : printable_length(at, false);

		if (length == 0)
			return false;
		at += length;
	}
	return true;
}

bool text_copy(const char *text, char *ret_text, size_t size)
{
	const size_t length = strlen(text);
	const size_t fits = length < size ? length : size - 1;

	if (size == 0)
		return false;
	memcpy(ret_text, text, fits);
	ret_text[fits] = '\0';
	return fits == length;
}

bool text_append(char *buffer, size_t size, const char *format, ...)
{
	const size_t used = strnlen(buffer, size);
	va_list arguments;
	int length;

	if (used >= size)
		return false;
	va_start(arguments, format);
	length = vsnprintf(buffer + used, size - used, format, arguments);
	va_end(arguments);
	return length >= 0 && (size_t)length < size - used;
}

int text_to_u64(const char *text, uint64_t most, uint64_t *ret_number)
{
	uint64_t number = 0;
	bool too_large = false;

	if (*text == '\0')
		return -EINVAL;
	for (; *text != '\0'; text++) {
		if (*text < '0' || *text > '9')
			return -EINVAL;
		if (__builtin_mul_overflow(number, 10, &number) ||
		    __builtin_add_overflow(number, (uint64_t)(*text - '0'), &number))
			too_large = true;
	}
	if (too_large || number > most)
		return -ERANGE;
	*ret_number = number;
	return 0;
}

bool text_equal(const char *a, const char *b)
{
	return strcmp(a, b) == 0;
}

bool text_starts(const char *text, const char *prefix)
{
	return strncmp(text, prefix, strlen(prefix)) == 0;
}

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static unsigned least(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

unsigned text_distance(const char *a, const char *b)
{
	const size_t length_a = strnlen(a, DISTANCE_MOST);
	const size_t length_b = strnlen(b, DISTANCE_MOST);
	unsigned rows[3][DISTANCE_MOST + 1];

	for (unsigned j = 0; j <= length_b; j++)
		rows[0][j] = j;
	for (size_t i = 1; i <= length_a; i++) {
		unsigned *row = rows[i % 3];
		const unsigned *above = rows[(i - 1) % 3];
		const unsigned *swapped = rows[(i + 1) % 3]; /* two above */

		row[0] = (unsigned)i;
		for (size_t j = 1; j <= length_b; j++) {
			const bool same = lower(a[i - 1]) == lower(b[j - 1]);

			row[j] = least(least(above[j], row[j - 1]) + 1, above[j - 1] + !same);
			if (i > 1 && j > 1 && lower(a[i - 1]) == lower(b[j - 2]) &&
			    lower(a[i - 2]) == lower(b[j - 1]))
				row[j] = least(row[j], swapped[j - 2] + 1);
		}
	}
	return rows[length_a % 3][length_b];
}
