/* Runs a fuzz harness over the files of a directory, for compilers without libFuzzer and for every
 * `make check`. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

#define INPUT_BYTES_MAX (1 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay(const char *path)
{
	static uint8_t data[INPUT_BYTES_MAX];
	auto_fclose FILE *file = fopen(path, "re");
	uint8_t *exact;
	size_t size;

	if (!file)
		return -1;
	size = fread(data, 1, sizeof(data), file);
	/* Of exactly its size, so that a sanitizer sees what is read behind it. */
	exact = malloc(size ? size : 1);
	if (!exact)
		return -1;
	memcpy(exact, data, size);
	(void)LLVMFuzzerTestOneInput(exact, size);
	free(exact);
	return 0;
}

int main(int argc, char **argv)
{
	DIR *directory = argc == 2 ? opendir(argv[1]) : NULL;
	const struct dirent *entry;
	int n = 0;

	if (!directory) {
		(void)fprintf(stderr, "usage: replay DIRECTORY\n");
		return 1;
	}
	while ((entry = readdir(directory)) != NULL) {
		char path[4096];

		if (entry->d_name[0] == '.')
			continue;
		(void)snprintf(path, sizeof(path), "%s/%s", argv[1], entry->d_name);
		/* Said before, so that a crash has a name. */
		(void)fprintf(stderr, "%s\n", path);
		if (replay(path) != 0)
			return 1;
		n++;
	}
	(void)closedir(directory);
	(void)printf("%d inputs\n", n);
	return n > 0 ? 0 : 1;
}
