/* What is valid and yet probably not what was meant. */
#include "base/duration.h"
#include "text/config-parser.h"

/* Only terminals are warned, so only the limit of shells is looked at. */
static void check_warning(const struct config_value *values, const struct config_value *outside,
			  struct config_problems *problems)
{
	const struct config_value *limit = &values[SETTING_IDLE_TIMEOUT + KIND_SHELL];
	const struct config_value *warning = &values[SETTING_IDLE_WARNING];
	char limit_text[DURATION_TEXT_BYTES], warning_text[DURATION_TEXT_BYTES];
	char half_text[DURATION_TEXT_BYTES];
	const char *source = limit->source ? limit->source : warning->source;

	if (!source)
		return;
	if (!limit->source)
		limit = &outside[SETTING_IDLE_TIMEOUT + KIND_SHELL];
	if (!warning->source)
		warning = &outside[SETTING_IDLE_WARNING];
	if (limit->number == TIME_NEVER || warning->number <= limit->number / 2)
		return;
	duration_format_exact(limit->number, limit_text);
	duration_format_exact(warning->number, warning_text);
	duration_format(limit->number / 2, half_text);
	config_problems_add(problems, true,
			    "%s: IdleWarning: %s is more than half of the IdleTimeout of %s; "
			    "the warning comes %s before the end",
			    source, warning_text, limit_text, half_text);
}

void config_check(const struct config *config, struct config_problems *problems)
{
	struct config_value outside[SETTING_N];

	config_merge(config, NULL, outside);
	for (size_t i = 0; i < config->n_blocks; i++)
		check_warning(config->blocks[i].values, outside, problems);
}
