/* Clean-up at the end of a scope, and the explicit hand-over of what a local owns. */
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static inline void cleanup_close(const int *fd)
{
	if (*fd >= 0)
		(void)close(*fd);
}

static inline void cleanup_free(void *memory)
{
	free(*(void **)memory);
}

static inline void cleanup_fclose(FILE **file)
{
	if (*file)
		(void)fclose(*file);
}

#define auto_close  __attribute__((cleanup(cleanup_close)))
#define auto_free   __attribute__((cleanup(cleanup_free)))
#define auto_fclose __attribute__((cleanup(cleanup_fclose)))

/* Gives away a descriptor: the local forgets it. */
static inline int take_fd(int *fd)
{
	int taken = *fd;

	*fd = -1;
	return taken;
}

/* Gives away a pointer: the local forgets it. */
#define take_ptr(pointer)                              \
	__extension__({                                \
		__typeof__(pointer) *at_ = &(pointer); \
		__typeof__(pointer) taken_ = *at_;     \
		*at_ = NULL;                           \
		taken_;                                \
	})
