/* Addresses of the network, as numbers: text is three times as long. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define ADDRESS_TEXT_BYTES 48

/* An IPv4 address is an IPv4-mapped IPv6 one.  Zeroed: not known. */
struct address {
	uint8_t bytes[16];
};

struct address address_of_ipv4(const uint8_t bytes[static 4]);
bool address_is_ipv4(const struct address *address);

/* -EINVAL: not the text of an address; then it is not known. */
int address_parse(const char *text, struct address *ret_address);

/* IPv4-mapped addresses as IPv4, "" when it is not known. Returns ret_text. */
const char *address_format(const struct address *address, char ret_text[static ADDRESS_TEXT_BYTES]);
