#include "native/tcp-tables.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "text/proctcp.h"

#define PATH_BYTES 96

#define ROWS_USUAL 64

void tcp_tables_deinit(struct tcp_tables *tables)
{
	for (size_t i = 0; i < tables->n; i++)
		free(tables->tables[i].rows);
	free(tables->tables);
	*tables = (struct tcp_tables){ 0 };
}

/* 0: not to be known. */
static uint64_t space_of(int32_t pid)
{
	char path[PATH_BYTES];
	struct stat st;

	(void)snprintf(path, sizeof(path), "/proc/%" PRId32 "/ns/net", pid);
	return stat(path, &st) < 0 ? 0 : st.st_ino;
}

/* What no process has any more, or not yet, has no inode. */
static int push_row(struct tcp_table *table, const struct proctcp_row *row)
{
	if (row->inode == 0)
		return 0;
	if (table->n == table->size) {
		const size_t size = table->size ? table->size * 2 : ROWS_USUAL;
		struct tcp_row *rows = reallocarray(table->rows, size, sizeof(*rows));

		if (!rows)
			return -ENOMEM;
		table->rows = rows;
		table->size = size;
	}
	table->rows[table->n] = (struct tcp_row){
		.inode = row->inode,
		.place = (uint32_t)table->n,
		.port = row->port,
		.listens = row->state == PROCTCP_LISTEN,
	};
	table->n++;
	return 0;
}

/* Line by line: on a busy host the table has megabytes. */
static int take_file(FILE *file, struct tcp_table *table)
{
	auto_free char *line = NULL;
	struct proctcp_row row;
	size_t size = 0;
	ssize_t n;

	while ((n = getline(&line, &size, file)) > 0) {
		const char *at = line;

		if (proctcp_next(&at, line + n, &row) && push_row(table, &row) < 0)
			return -ENOMEM;
	}
	return feof(file) ? 0 : -EIO;
}

static int by_inode(const void *a, const void *b)
{
	const struct tcp_row *one = a, *other = b;

	return (one->inode > other->inode) - (one->inode < other->inode);
}

/* An open file stays that of its namespace. */
static int open_file(int32_t pid, const char *name, FILE **ret_file)
{
	char path[PATH_BYTES];

	(void)snprintf(path, sizeof(path), "/proc/%" PRId32 "/net/%s", pid, name);
	*ret_file = fopen(path, "re");
	/* tcp6 where there is no IPv6; or the process has gone, and has no namespace either */
	return *ret_file || errno == ENOENT ? 0 : -errno;
}

/* A process that goes, or changes its namespace, leaves nothing behind for others. */
static int read_table(int32_t pid, struct tcp_table *table)
{
	auto_fclose FILE *tcp = NULL;
	auto_fclose FILE *tcp6 = NULL;
	const uint64_t space = space_of(pid);
	int r = open_file(pid, "tcp", &tcp);

	if (r == 0)
		r = open_file(pid, "tcp6", &tcp6);
	table->space = space_of(pid) == space ? space : 0;
	if (r == 0 && tcp)
		r = take_file(tcp, table);
	if (r == 0 && tcp6)
		r = take_file(tcp6, table);
	if (r == 0 && table->n > 0)
		qsort(table->rows, table->n, sizeof(*table->rows), by_inode);
	return r;
}

static struct tcp_table *find_table(const struct tcp_tables *tables, uint64_t space)
{
	for (size_t i = 0; i < tables->n; i++)
		if (tables->tables[i].space == space)
			return &tables->tables[i];
	return NULL;
}

/* In the place of the older one. */
static int put_table(struct tcp_tables *tables, const struct tcp_table *table,
		     const struct tcp_table **ret_table)
{
	struct tcp_table *at = find_table(tables, table->space);

	if (!at) {
		at = reallocarray(tables->tables, tables->n + 1, sizeof(*at));
		if (!at)
			return -ENOMEM;
		tables->tables = at;
		at += tables->n++;
	} else {
		free(at->rows);
	}
	*at = *table;
	*ret_table = at;
	return 1;
}

int tcp_tables_get(struct tcp_tables *tables, int32_t pid, bool anew,
		   const struct tcp_table **ret_table)
{
	const uint64_t space = anew ? 0 : space_of(pid);
	struct tcp_table table = { 0 };
	int r;

	*ret_table = space != 0 ? find_table(tables, space) : NULL;
	if (*ret_table)
		return 0;
	r = read_table(pid, &table);
	if (r == 0)
		r = put_table(tables, &table, ret_table);
	if (r < 0)
		free(table.rows);
	return r;
}

const struct tcp_row *tcp_table_find(const struct tcp_table *table, uint64_t inode)
{
	const struct tcp_row key = { .inode = inode };

	return table->n == 0 ? NULL : bsearch(&key, table->rows, table->n, sizeof(key), by_inode);
}
