#include "keeper/gate.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "keeper/utf8.h"

enum { ESC = 0x1b, CAN = 0x18, SUB = 0x1a, BEL = 0x07 };

/* Of libvterm 0.1.4 (CSI_ARGS_MAX is 16); its numbers are of type long, but become int. */
enum { ARGUMENTS_MOST = 15, DIGITS_MOST = 5 };

/* A string without an end is given up here. */
enum { STRING_MOST_BYTES = 1 << 20 };

static void hold(struct gate *gate, char byte)
{
	if (gate->n < sizeof(gate->held))
		gate->held[gate->n] = byte;
	gate->n++;
}

static void let_go(struct gate *gate)
{
	gate->state = GATE_GROUND;
	gate->n = 0;
}

static void begin(struct gate *gate, enum gate_state state, char byte)
{
	gate->state = state;
	gate->n = 0;
	hold(gate, byte);
}

/* Attributes (m) are taken apart behind the gate, whatever their number. */
static bool arguments_fit(const char *bytes, size_t n)
{
	size_t arguments = 1, digits = 0;

	if (bytes[n - 1] == 'm' && !strchr("<=>?", bytes[2]))
		return true;
	for (size_t i = 2; i < n; i++) {
		const bool digit = bytes[i] >= '0' && bytes[i] <= '9';

		arguments += bytes[i] == ';' || bytes[i] == ':';
		digits = digit ? digits + 1 : 0;
		if (digits > DIGITS_MOST)
			return false;
	}
	return arguments <= ARGUMENTS_MOST;
}

static bool wanted(const struct gate *gate)
{
	if (gate->n > sizeof(gate->held))
		return false;
	/* libvterm overlooks what stands between and takes it for the beginning of another one. */
	if (gate->held[1] >= 0x20 && gate->held[1] < 0x30 && strchr("P[]", gate->held[gate->n - 1]))
		return false;
	switch (gate->held[1]) {
	case '[':
		return arguments_fit(gate->held, gate->n);
	/* Strings for others: status lines, titles of screen(1), APC, PM, SOS. */
	case 'k':
	case '_':
	case '^':
	case 'X':
		return false;
	default:
		return true;
	}
}

static void complete(struct gate *gate, const struct gate_sink *sink)
{
	const bool give = wanted(gate);
	const size_t n = gate->n;

	let_go(gate);
	if (give)
		sink->sequence(gate->held, n, sink->user);
}

static void step_escape(struct gate *gate, char byte, const struct gate_sink *sink)
{
	const unsigned char c = (unsigned char)byte;

	hold(gate, byte);
	if (gate->n == 2 && c == '[')
		gate->state = GATE_CSI;
	else if (gate->n == 2 && strchr("]P_^Xk", c) && c != '\0')
		gate->state = GATE_STRING;
	else if (c >= 0x30 && c < 0x7f)
		complete(gate, sink);
	else if (c < 0x20 || c > 0x2f || gate->n > 8)
		let_go(gate);
}

static void step_csi(struct gate *gate, char byte, const struct gate_sink *sink)
{
	const unsigned char c = (unsigned char)byte;

	if (c >= 0x20 && c < 0x7f)
		hold(gate, byte);
	if (c >= 0x40 && c < 0x7f)
		complete(gate, sink);
	else if (c > 0x7f)
		let_go(gate);
	else if (c < 0x20)
		sink->text(&byte, 1, sink->user); /* terminals carry it out at once */
}

static void step_string(struct gate *gate, char byte, const struct gate_sink *sink)
{
	if (gate->state == GATE_STRING_ESCAPE && byte != '\\') {
		begin(gate, GATE_ESCAPE, ESC);
		step_escape(gate, byte, sink);
		return;
	}
	hold(gate, byte);
	if (byte == BEL || gate->state == GATE_STRING_ESCAPE)
		complete(gate, sink);
	else if (byte == ESC)
		gate->state = GATE_STRING_ESCAPE;
	else if (gate->n > STRING_MOST_BYTES)
		let_go(gate);
}

static bool is_wide_mark(const uint8_t *text)
{
	uint32_t code;

	(void)utf8_get(text, &code);
	return utf8_is_wide_mark(code);
}

/* libvterm 0.1.4 writes beyond its stack for bytes that are no UTF-8: it gets none. */
static void give_text(const char *bytes, size_t n, const struct gate_sink *sink)
{
	static const char replacement[] = "\xef\xbf\xbd";
	const uint8_t *text = (const uint8_t *)bytes;
	size_t from = 0, at = 0;

	while (at < n) {
		size_t length;

		while (at < n && text[at] < 0x80)
			at++;
		if (at == n)
			break;
		length = utf8_valid(text + at, n - at);
		if (length == 3 && at > from && is_wide_mark(text + at)) {
			sink->text(bytes + from, at - from, sink->user);
			from = at;
		}
		if (length > 0) {
			at += length;
			continue;
		}
		if (at > from)
			sink->text(bytes + from, at - from, sink->user);
		sink->text(replacement, sizeof(replacement) - 1, sink->user);
		from = ++at;
	}
	if (at > from)
		sink->text(bytes + from, at - from, sink->user);
}

/* Returns false when the byte belongs to what comes next. */
static bool step_character(struct gate *gate, char byte, const struct gate_sink *sink)
{
	const bool continues = ((unsigned char)byte & 0xc0) == 0x80;
	size_t n;

	if (continues)
		hold(gate, byte);
	if (continues && gate->n < gate->n_expected)
		return true;
	n = gate->n;
	let_go(gate);
	give_text(gate->held, n, sink);
	return continues;
}

static bool step(struct gate *gate, char byte, const struct gate_sink *sink)
{
	if (gate->state == GATE_CHARACTER)
		return step_character(gate, byte, sink);
	if (byte == CAN || byte == SUB) {
		let_go(gate);
		return true;
	}
	if (byte == ESC && gate->state != GATE_STRING) {
		begin(gate, GATE_ESCAPE, byte);
		return true;
	}
	switch (gate->state) {
	case GATE_ESCAPE:
		step_escape(gate, byte, sink);
		break;
	case GATE_CSI:
		step_csi(gate, byte, sink);
		break;
	case GATE_STRING:
	case GATE_STRING_ESCAPE:
		step_string(gate, byte, sink);
		break;
	case GATE_GROUND:
	case GATE_CHARACTER:
		break;
	}
	return true;
}

/* Bytes at the end of a text that are the beginning of a character. */
static size_t unfinished(const char *bytes, size_t n, size_t *ret_expected)
{
	for (size_t back = 1; back < UTF8_MOST_BYTES && back <= n; back++) {
		const unsigned char c = (unsigned char)bytes[n - back];

		if ((c & 0xc0) == 0x80)
			continue;
		*ret_expected = utf8_length(c);
		return *ret_expected > back ? back : 0;
	}
	return 0;
}

/* Returns the bytes taken: up to the next escape, which is taken too. */
static size_t take_text(struct gate *gate, const char *bytes, size_t n,
			const struct gate_sink *sink)
{
	const char *escape = memchr(bytes, ESC, n);
	const size_t length = escape ? (size_t)(escape - bytes) : n;
	size_t expected = 0, open = escape ? 0 : unfinished(bytes, length, &expected);

	if (length > open)
		give_text(bytes, length - open, sink);
	if (escape)
		begin(gate, GATE_ESCAPE, ESC);
	for (size_t i = length - open; i < length; i++)
		hold(gate, bytes[i]);
	if (open > 0) {
		gate->state = GATE_CHARACTER;
		gate->n_expected = expected;
	}
	return escape ? length + 1 : length;
}

void gate_feed(struct gate *gate, const char *bytes, size_t n, const struct gate_sink *sink)
{
	size_t i = 0;

	/* Its first bytes went to the client that was there before us. */
	while (!gate->begun && i < n && i < UTF8_MOST_BYTES - 1 &&
	       ((unsigned char)bytes[i] & 0xc0) == 0x80)
		i++;
	gate->begun = gate->begun || n > 0;
	while (i < n) {
		if (gate->state == GATE_GROUND)
			i += take_text(gate, bytes + i, n - i, sink);
		else if (step(gate, bytes[i], sink))
			i++;
	}
}

int gate_held(const struct gate *gate, const char **ret_bytes, size_t *ret_n)
{
	if (gate->n > sizeof(gate->held))
		return -E2BIG;
	*ret_bytes = gate->held;
	*ret_n = gate->n;
	return 0;
}
