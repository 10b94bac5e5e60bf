#include "core/pattern.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "base/text.h"

enum { ADDRESS_TEXT_BYTES = 64, MAPPED_BITS = 96 };

struct network {
	int family;
	unsigned bits;	   /* length of the prefix */
	uint8_t bytes[16]; /* 4 of them for IPv4 */
};

bool pattern_next(const char **list, struct pattern_entry *ret_entry)
{
	const char *at = *list;

	if (!at)
		return false;
	ret_entry->negated = *at == '!';
	if (ret_entry->negated)
		at++;
	ret_entry->text = at;
	ret_entry->length = strcspn(at, ",");
	at += ret_entry->length;
	*list = *at == ',' ? at + 1 : NULL;
	return true;
}

bool pattern_fits(const struct pattern_entry *entry, const char *text)
{
	const char *p = entry->text;
	const char *const end = p + entry->length;
	const char *star = NULL, *star_text = NULL;

	/* Only the last star is ever tried again: what an earlier one took cannot help any more. */
	while (*text != '\0') {
		if (p < end && *p == '*') {
			star = p++;
			star_text = text;
		} else if (p < end && (*p == '?' || *p == *text)) {
			p++;
			text++;
		} else if (star) {
			p = star + 1;
			text = ++star_text;
		} else {
			return false;
		}
	}
	while (p < end && *p == '*')
		p++;
	return p == end;
}

enum pattern_result pattern_list_fits(const char *list, const char *text)
{
	enum pattern_result result = PATTERN_NO_FIT;
	struct pattern_entry entry;

	if (!text)
		return PATTERN_NO_FIT;
	while (pattern_next(&list, &entry)) {
		if (!pattern_fits(&entry, text))
			continue;
		if (entry.negated)
			return PATTERN_NEGATED_FIT;
		result = PATTERN_FIT;
	}
	return result;
}

static unsigned family_bits(int family)
{
	return family == AF_INET ? 32 : 128;
}

static int address_parse(const char *text, struct network *ret_network)
{
	struct network network = { .family = AF_INET };

	if (inet_pton(AF_INET, text, network.bytes) != 1) {
		network.family = AF_INET6;
		if (inet_pton(AF_INET6, text, network.bytes) != 1)
			return -EINVAL;
	}
	network.bits = family_bits(network.family);
	*ret_network = network;
	return 0;
}

static void unmap(struct network *network)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

	if (network->family != AF_INET6 || network->bits < MAPPED_BITS ||
	    memcmp(network->bytes, mapped, sizeof(mapped)) != 0)
		return;
	network->family = AF_INET;
	network->bits -= MAPPED_BITS;
	memmove(network->bytes, network->bytes + sizeof(mapped), 4);
}

static bool prefix_equal(const uint8_t *a, const uint8_t *b, unsigned bits)
{
	const size_t whole = bits / 8;
	const unsigned rest = bits % 8;

	if (memcmp(a, b, whole) != 0)
		return false;
	return rest == 0 || (a[whole] ^ b[whole]) >> (8 - rest) == 0;
}

static bool bits_beyond(const struct network *network)
{
	for (unsigned bit = network->bits; bit < family_bits(network->family); bit++) {
		if (network->bytes[bit / 8] & (0x80 >> bit % 8))
			return true;
	}
	return false;
}

/* An address, with or without a prefix length. Returns what is wrong, NULL when nothing is. */
static const char *network_parse(const struct pattern_entry *entry, struct network *ret_network)
{
	char text[ADDRESS_TEXT_BYTES];
	struct network network;
	char *slash;
	uint64_t bits;

	if (entry->length >= sizeof(text))
		return "is not an address";
	memcpy(text, entry->text, entry->length);
	text[entry->length] = '\0';
	slash = strchr(text, '/');
	if (slash)
		*slash = '\0';
	if (address_parse(text, &network) < 0)
		return "is not an address";
	if (slash && text_to_u64(slash + 1, family_bits(network.family), &bits) < 0)
		return "has a wrong prefix length";
	if (slash)
		network.bits = (unsigned)bits;
	if (bits_beyond(&network))
		return "has bits set beyond its prefix length";
	unmap(&network);
	*ret_network = network;
	return NULL;
}

static bool has_wildcard(const struct pattern_entry *entry)
{
	return memchr(entry->text, '*', entry->length) || memchr(entry->text, '?', entry->length);
}

const char *pattern_address_wrong(const struct pattern_entry *entry)
{
	struct network network;

	if (!has_wildcard(entry))
		return network_parse(entry, &network);
	for (size_t i = 0; i < entry->length; i++) {
		if (!strchr("0123456789abcdefABCDEF.:*?", entry->text[i]))
			return "has characters that no address has";
	}
	return NULL;
}

static bool address_entry_fits(const struct pattern_entry *entry, const struct network *address,
			       const char *text)
{
	struct network network;

	if (has_wildcard(entry) || network_parse(entry, &network))
		return pattern_fits(entry, text);
	return network.family == address->family &&
	       prefix_equal(network.bytes, address->bytes, network.bits);
}

enum pattern_result pattern_address_fits(const char *list, const char *address)
{
	enum pattern_result result = PATTERN_NO_FIT;
	struct network network = { .family = AF_UNSPEC };
	char text[ADDRESS_TEXT_BYTES];
	struct pattern_entry entry;

	if (!address)
		return PATTERN_NO_FIT;
	(void)text_copy(address, text, sizeof(text));
	text[strcspn(text, "%")] = '\0';
	if (address_parse(text, &network) == 0) {
		unmap(&network);
		if (network.family == AF_INET)
			(void)inet_ntop(AF_INET, network.bytes, text, sizeof(text));
	}
	while (pattern_next(&list, &entry)) {
		if (!address_entry_fits(&entry, &network, text))
			continue;
		if (entry.negated)
			return PATTERN_NEGATED_FIT;
		result = PATTERN_FIT;
	}
	return result;
}
