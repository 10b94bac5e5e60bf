#include "daemon/names.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct name {
	size_t n; /* times that it is taken */
	char text[];
};

/* NULL: it would have its place at `ret_at`. */
static struct name *find(const struct names *names, const char *text, size_t *ret_at)
{
	size_t low = 0, high = names->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (strcmp(names->rows[middle]->text, text) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	*ret_at = low;
	if (low < names->n && strcmp(names->rows[low]->text, text) == 0)
		return names->rows[low];
	return NULL;
}

static int grow(struct names *names)
{
	const size_t size = names->size == 0 ? 8 : names->size * 2;
	struct name **rows;

	if (names->n < names->size)
		return 0;
	rows = reallocarray(names->rows, size, sizeof(struct name *));
	if (!rows)
		return -ENOMEM;
	names->rows = rows;
	names->size = size;
	return 0;
}

static struct name *add(struct names *names, const char *text, size_t at)
{
	const size_t bytes = strlen(text) + 1;
	struct name *name = grow(names) < 0 ? NULL : malloc(sizeof(*name) + bytes);

	if (!name)
		return NULL;
	name->n = 0;
	memcpy(name->text, text, bytes);
	memmove(&names->rows[at + 1], &names->rows[at], (names->n++ - at) * sizeof(struct name *));
	names->rows[at] = name;
	return name;
}

const char *names_take(struct names *names, const char *text)
{
	struct name *name;
	size_t at;

	if (*text == '\0')
		return "";
	name = find(names, text, &at);
	if (!name)
		name = add(names, text, at);
	if (!name)
		return NULL;
	name->n++;
	return name->text;
}

void names_drop(struct names *names, const char *text)
{
	size_t at;
	struct name *name = find(names, text, &at);

	if (!name || --name->n > 0)
		return;
	names->n--;
	memmove(&names->rows[at], &names->rows[at + 1], (names->n - at) * sizeof(struct name *));
	free(name);
}

void names_deinit(struct names *names)
{
	free(names->rows);
	*names = (struct names){ 0 };
}
