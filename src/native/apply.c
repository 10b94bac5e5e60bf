#include "native/apply.h"

#include <errno.h>
#include <string.h>

#include "base/text.h"

void apply_deinit(struct apply_plan *plan)
{
	for (size_t i = 0; i < plan->n; i++)
		change_deinit(&plan->sites[i].change);
	plan->n = 0;
}

/* Written, perhaps, but nobody has seen whether the servers have read it. */
static void look_for_held(struct apply_site *site)
{
	if (!site->change.path[0] || !change_is_held(&site->change))
		return;
	if (site->state == APPLY_SAME)
		site->state = APPLY_DIFFERS;
	(void)text_append(
		site->remarks, sizeof(site->remarks),
		"an apply is under way, or was cut off before its servers had read the file\n");
}

/* This server is left alone, and nothing is wrong with that. */
static void leave(struct apply_site *site, const char *why)
{
	site->state = APPLY_NOT_ASKED;
	(void)text_copy(why, site->told, sizeof(site->told));
}

static int plan_server(const struct apply_plan *plan, const struct config *config,
		       const struct settings_server *server, struct apply_site *site)
{
	site->server = server->server;
	site->undo = !config;
	if (server->is_foreign) {
		leave(site, server->trouble);
		return 0;
	}
	switch (server->server) {
	case SERVER_OPENSSH:
		return apply_openssh(plan, config, server, site);
	case SERVER_DROPBEAR:
		return apply_dropbear(plan, config, server, site);
	case SERVER_TINYSSH:
		leave(site, "takes no settings: it ends what sent nothing for an hour");
		return 0;
	case SERVER_N:
		break;
	}
	return 0;
}

/* The site that has the same file already. */
static struct apply_site *find_site(struct apply_plan *plan, const struct apply_site *like)
{
	for (size_t i = 0; i < plan->n; i++)
		if (like->change.path[0] &&
		    text_equal(plan->sites[i].change.path, like->change.path))
			return &plan->sites[i];
	return NULL;
}

int apply_plan(const struct settings_host *host, const struct config *config,
	       const char *config_file, struct apply_plan *ret_plan)
{
	struct apply_plan *plan = ret_plan;

	memset(plan, 0, sizeof(*plan));
	plan->host = host;
	plan->config_file = config_file;
	for (size_t i = 0; i < host->n_servers; i++) {
		struct apply_site *site = &plan->sites[plan->n], *other;
		int r = plan_server(plan, config, &host->servers[i], site);

		look_for_held(site);
		other = r < 0 ? NULL : find_site(plan, site);
		if (r < 0 || other) {
			change_deinit(&site->change);
			memset(site, 0, sizeof(*site));
			if (r < 0) {
				apply_deinit(plan);
				return r;
			}
			site = other;
		} else {
			plan->n++;
		}
		site->servers[site->n_servers++] = i;
	}
	return 0;
}
