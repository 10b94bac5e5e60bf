#include "core/bounds.h"

void bounds_use(struct bounds *bounds, int64_t from_ns, int64_t to_ns)
{
	if (to_ns <= bounds->latest_ns)
		return;
	bounds->latest_ns = to_ns;
	if (from_ns > bounds->earliest_ns)
		bounds->earliest_ns = from_ns;
}

void bounds_none_after(struct bounds *bounds, int64_t at_ns)
{
	if (at_ns >= bounds->latest_ns)
		return;
	bounds->latest_ns = at_ns;
	if (bounds->earliest_ns > at_ns)
		bounds->earliest_ns = at_ns;
}

struct bounds bounds_later(struct bounds a, struct bounds b)
{
	return (struct bounds){
		.earliest_ns = a.earliest_ns > b.earliest_ns ? a.earliest_ns : b.earliest_ns,
		.latest_ns = a.latest_ns > b.latest_ns ? a.latest_ns : b.latest_ns,
	};
}
