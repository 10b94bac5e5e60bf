/* Runs a fuzz harness over files, for compilers without libFuzzer and for every `make check`. */
#include <stdint.h>
#include <stdio.h>

#include "base/cleanup.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay(const char *path)
{
	static uint8_t data[1 << 20];
	auto_fclose FILE *file = fopen(path, "re");

	if (!file)
		return -1;
	return LLVMFuzzerTestOneInput(data, fread(data, 1, sizeof(data), file));
}

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		if (replay(argv[i]) != 0) {
			(void)fprintf(stderr, "cannot replay %s\n", argv[i]);
			return 1;
		}
	}
	(void)printf("%d inputs\n", argc - 1);
	return 0;
}
