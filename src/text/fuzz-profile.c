/* Any bytes: a clear refusal, or a profile whose texts can be shown. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "text/profile.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void look_at(const struct profile_condition *condition)
{
	assert(condition->fact < FACT_N);
	assert((condition->fact == FACT_ANY_OF) == (condition->n_any > 0));
	for (size_t i = 0; i < condition->n_any; i++)
		look_at(&condition->any[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct config_text text = { "f", (const char *)data, size };
	char problem[PROFILE_PROBLEM_BYTES] = "", control[PROFILE_CONTROL_BYTES];
	struct profile *profile;

	if (profile_parse(&text, problem, &profile) < 0) {
		assert(strncmp(problem, "f:", 2) == 0 && strlen(problem) > 3);
		return 0;
	}
	assert(profile->name && profile->title && profile->document && profile->n_checks > 0);
	for (size_t i = 0; i < profile->n_checks; i++) {
		const struct profile_check *check = &profile->checks[i];

		assert(check->id && check->requirement && check->fix && check->n_conditions > 0);
		assert(!check->commonly_looks_at == !check->commonly_but);
		for (size_t j = 0; j < check->n_conditions; j++)
			look_at(&check->conditions[j]);
	}
	(void)profile_control(profile, CONTROL_IDLE, control, sizeof(control));
	(void)profile_control(profile, CONTROL_UNRESPONSIVE, control, sizeof(control));
	profile_free(profile);
	return 0;
}
