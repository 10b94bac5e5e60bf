#include "keeper/utf8.h"

enum { REPLACEMENT = 0xfffd };

static bool printable(uint32_t code)
{
	return code >= 0x20 && (code < 0x7f || code >= 0xa0) && (code < 0xd800 || code >= 0xe000) &&
	       code <= 0x10ffff;
}

size_t utf8_put(uint32_t code, uint8_t *ret_bytes)
{
	if (!printable(code))
		code = REPLACEMENT;
	if (code < 0x80) {
		ret_bytes[0] = (uint8_t)code;
		return 1;
	}
	if (code < 0x800) {
		ret_bytes[0] = (uint8_t)(0xc0 | code >> 6);
		ret_bytes[1] = (uint8_t)(0x80 | (code & 0x3f));
		return 2;
	}
	if (code < 0x10000) {
		ret_bytes[0] = (uint8_t)(0xe0 | code >> 12);
		ret_bytes[1] = (uint8_t)(0x80 | (code >> 6 & 0x3f));
		ret_bytes[2] = (uint8_t)(0x80 | (code & 0x3f));
		return 3;
	}
	ret_bytes[0] = (uint8_t)(0xf0 | code >> 18);
	ret_bytes[1] = (uint8_t)(0x80 | (code >> 12 & 0x3f));
	ret_bytes[2] = (uint8_t)(0x80 | (code >> 6 & 0x3f));
	ret_bytes[3] = (uint8_t)(0x80 | (code & 0x3f));
	return 4;
}

size_t utf8_length(uint8_t first)
{
	if (first < 0x80)
		return 1;
	if ((first & 0xe0) == 0xc0)
		return 2;
	if ((first & 0xf0) == 0xe0)
		return 3;
	return (first & 0xf8) == 0xf0 ? 4 : 0;
}

size_t utf8_get(const uint8_t *bytes, uint32_t *ret_code)
{
	static const uint8_t masks[] = { 0, 0x7f, 0x1f, 0x0f, 0x07 };
	const size_t length = utf8_length(bytes[0]);
	uint32_t code = length > 0 ? bytes[0] & masks[length] : REPLACEMENT;

	for (size_t i = 1; i < length; i++)
		code = code << 6 | (bytes[i] & 0x3f);
	*ret_code = code;
	return length > 0 ? length : 1;
}

size_t utf8_valid(const uint8_t *bytes, size_t n)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	const size_t length = utf8_length(bytes[0]);
	uint32_t code;

	if (length == 0 || length > n)
		return 0;
	for (size_t i = 1; i < length; i++)
		if ((bytes[i] & 0xc0) != 0x80)
			return 0;
	(void)utf8_get(bytes, &code);
	return code >= least[length] && printable(code) ? length : 0;
}

bool utf8_is_wide_mark(uint32_t code)
{
	return (code >= 0x302a && code <= 0x302f) || code == 0x3099 || code == 0x309a;
}
