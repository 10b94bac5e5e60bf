#include "keeper/sgr.h"

enum { NUMBER_MOST = 65535 };

static unsigned take_number(const char **at, const char *end)
{
	unsigned number = 0;

	for (; *at < end && **at >= '0' && **at <= '9'; (*at)++)
		if (number < NUMBER_MOST)
			number = number * 10 + (unsigned)(**at - '0');
	return number < NUMBER_MOST ? number : NUMBER_MOST;
}

static void add(struct sgr *sgr, unsigned number)
{
	if (sgr->n < SGR_NUMBERS_MOST)
		sgr->numbers[sgr->n++] = number;
}

static bool is_colour(unsigned number)
{
	return number == 38 || number == 48 || number == 58;
}

/* 38:2:SPACE:r:g:b, where the colour space says nothing. */
static void drop_colour_space(struct sgr *sgr)
{
	if (!is_colour(sgr->numbers[0]) || sgr->numbers[1] != 2 || sgr->n != 6)
		return;
	for (size_t i = 2; i < 5; i++)
		sgr->numbers[i] = sgr->numbers[i + 1];
	sgr->n = 5;
}

/* How many more numbers, set apart by semicolons, belong to a colour. */
static size_t missing(const struct sgr *sgr)
{
	if (!is_colour(sgr->numbers[0]) || sgr->n > 2)
		return 0;
	if (sgr->n == 1)
		return 1;
	return sgr->numbers[1] == 2 ? 3 : sgr->numbers[1] == 5;
}

bool sgr_next(const char **at, const char *end, struct sgr *ret_sgr)
{
	struct sgr sgr = { .n = 0 };

	if (!*at || *at > end)
		return false;
	add(&sgr, take_number(at, end));
	while (*at < end && **at == ':') {
		(*at)++;
		sgr.sub = true;
		add(&sgr, take_number(at, end));
	}
	if (sgr.sub) {
		drop_colour_space(&sgr);
	} else {
		for (size_t more = missing(&sgr); more > 0 && *at < end && **at == ';';) {
			(*at)++;
			add(&sgr, take_number(at, end));
			more = sgr.n == 2 ? missing(&sgr) : more - 1;
		}
	}
	/* Behind the last one there is no semicolon. */
	*at = *at < end && **at == ';' ? *at + 1 : NULL;
	*ret_sgr = sgr;
	return true;
}
