#include "core/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

struct address address_of_ipv4(const uint8_t bytes[static 4])
{
	struct address address;

	memcpy(address.bytes, mapped, sizeof(mapped));
	memcpy(address.bytes + sizeof(mapped), bytes, 4);
	return address;
}

bool address_is_ipv4(const struct address *address)
{
	return memcmp(address->bytes, mapped, sizeof(mapped)) == 0;
}

int address_parse(const char *text, struct address *ret_address)
{
	uint8_t ipv4[4];

	*ret_address = (struct address){ 0 };
	if (inet_pton(AF_INET, text, ipv4) == 1)
		*ret_address = address_of_ipv4(ipv4);
	else if (inet_pton(AF_INET6, text, ret_address->bytes) != 1)
		return -EINVAL;
	return 0;
}

const char *address_format(const struct address *address, char ret_text[static ADDRESS_TEXT_BYTES])
{
	static const struct address unknown;

	ret_text[0] = '\0';
	if (address_is_ipv4(address))
		(void)inet_ntop(AF_INET, address->bytes + sizeof(mapped), ret_text,
				ADDRESS_TEXT_BYTES);
	else if (memcmp(address, &unknown, sizeof(unknown)) != 0)
		(void)inet_ntop(AF_INET6, address->bytes, ret_text, ADDRESS_TEXT_BYTES);
	return ret_text;
}
