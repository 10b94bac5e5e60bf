#include "observe/kin.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/pids.h"

struct family {
	struct procstat *rows;
	size_t n, size;
};

static int family_add(struct family *family, const struct procstat *stat)
{
	if (family->n == family->size) {
		size_t size = family->size == 0 ? 256 : family->size * 2;
		struct procstat *rows = reallocarray(family->rows, size, sizeof(*rows));

		if (!rows)
			return -ENOMEM;
		family->rows = rows;
		family->size = size;
	}
	family->rows[family->n++] = *stat;
	return 0;
}

static int look_at(void *context, int32_t pid)
{
	struct procstat stat;
	int r = procstat_read(pid, &stat);

	if (r == 0 && !procstat_has_ended(&stat))
		r = family_add(context, &stat);
	/* Who is not ours to see is of no terminal that is. */
	return pids_is_nobody(r) ? 0 : r;
}

/* One generation more; true: somebody was found. */
static int add_generation(const struct family *family, int32_t leader, struct process_list *list)
{
	int found = 0;

	for (size_t i = 0; i < family->n; i++) {
		const struct procstat *one = &family->rows[i];

		if ((one->sid != leader && !process_list_has(list, one->parent)) ||
		    process_list_has(list, one->pid))
			continue;
		if (process_list_push(list, one->pid) < 0)
			return -ENOMEM;
		found = 1;
	}
	return found;
}

static int check_leader(const struct kin_leader *leader)
{
	struct procstat stat;
	int r = procstat_read(leader->pid, &stat);

	return r == 0 && (procstat_has_ended(&stat) || stat.start_ticks != leader->start_ticks)
		       ? -ESRCH
		       : r;
}

int kin_find(const struct kin_leader *leader, struct process_list *list)
{
	struct family family = { 0 };
	int r = process_list_push(list, leader->pid);

	if (r == 0)
		r = pids_each(look_at, &family);
	/* Afterwards: alive now, it was so while the others were read. */
	if (r == 0)
		r = check_leader(leader);
	if (r == 0) {
		do {
			r = add_generation(&family, leader->pid, list);
		} while (r > 0);
	}
	free(family.rows);
	return r;
}
