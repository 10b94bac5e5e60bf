#include "observe/work.h"

#include <errno.h>

#include "observe/children.h"

static int visit_one(int32_t pid, struct process_list *list, work_visit_fn *visit, void *context)
{
	struct procstat stat;
	int r = procstat_read(pid, &stat);

	if (r < 0)
		return r;
	if (procstat_has_ended(&stat))
		return -ESRCH;
	r = visit(context, &stat);
	if (r < 0)
		return r;
	r = children_read(pid, stat.n_threads, list);
	return r == -ESRCH ? 0 : r;
}

int work_walk(int32_t root, work_visit_fn *visit, void *context)
{
	struct process_list list = { 0 };
	int r = process_list_push(&list, root);

	children_hold();
	for (size_t i = 0; r == 0 && i < list.n; i++) {
		r = list.n > WORK_PROCESSES_MAX ? -E2BIG
						: visit_one(list.pids[i], &list, visit, context);
		/* Only the root must be there: any other may end while we look. */
		if (r == -ESRCH && i > 0)
			r = 0;
	}
	children_release();
	process_list_deinit(&list);
	return r;
}

static int add_cpu(void *context, const struct procstat *stat)
{
	uint64_t *sum = context;
	uint64_t own_ns;

	/* The clock is exact; stat counts in ticks, which miss short bursts. */
	if (process_cpu(stat->pid, &own_ns) < 0)
		own_ns = process_ticks_to_ns(stat->cpu_ticks);
	*sum += own_ns + process_ticks_to_ns(stat->reaped_ticks);
	return 0;
}

int work_read(int32_t root, uint64_t *ret_ns)
{
	uint64_t sum = 0;
	int r = work_walk(root, add_cpu, &sum);

	if (r < 0)
		return r;
	*ret_ns = sum;
	return 0;
}
