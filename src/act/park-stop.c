#include "act/park-stop.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"

#define PAGE_BYTES 4096

/* A page that is never filled: who reads it, waits. */
static int make_page(struct park_stop *stop)
{
	struct uffdio_register range = { .mode = UFFDIO_REGISTER_MODE_MISSING };
	struct uffdio_api api = { .api = UFFD_API };
	auto_close int faults = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	void *page;
	int r;

	if (faults < 0 || ioctl(faults, UFFDIO_API, &api) < 0)
		return -errno;
	page = mmap(NULL, PAGE_BYTES, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (page == MAP_FAILED)
		return -errno;
	range.range.start = (uintptr_t)page;
	range.range.len = PAGE_BYTES;
	if (ioctl(faults, UFFDIO_REGISTER, &range) < 0) {
		r = -errno;
		(void)munmap(page, PAGE_BYTES);
		return r;
	}
	stop->page = page;
	stop->faults = take_fd(&faults);
	return 0;
}

static void *write_page(void *context)
{
	const struct park_stop *stop = context;

	(void)!write(stop->slave, stop->page, 1);
	return NULL;
}

/* Signals are for the loop. */
static int start_writer(struct park_stop *stop)
{
	sigset_t all, before;
	int r;

	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	r = pthread_create(&stop->writer, NULL, write_page, stop);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	return -r;
}

static void release(struct park_stop *stop)
{
	cleanup_close(&stop->faults);
	cleanup_close(&stop->slave);
	(void)munmap(stop->page, PAGE_BYTES);
	*stop = (struct park_stop){ .faults = -1, .slave = -1 };
}

int park_stop_begin(struct park_stop *stop, int master)
{
	int r;

	*stop = (struct park_stop){ .faults = -1, .slave = -1 };
	r = make_page(stop);
	if (r < 0)
		return r;
	stop->slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	r = stop->slave < 0 ? -errno : start_writer(stop);
	if (r < 0) {
		release(stop);
		return r;
	}
	stop->begun = true;
	return 0;
}

bool park_stop_is_alone(const struct park_stop *stop)
{
	struct pollfd poll_for = { .fd = stop->faults, .events = POLLIN };

	/* The kernel reads the page when it has let the writer in. */
	return stop->begun && poll(&poll_for, 1, 0) == 1 && (poll_for.revents & POLLIN);
}

void park_stop_end(struct park_stop *stop)
{
	if (!stop->begun)
		return;
	/* The page is taken away before the wait for it ends: the write fails.  Did it come in only now,
	 * it must not wait either. */
	(void)fcntl(stop->slave, F_SETFL, O_NONBLOCK);
	(void)mprotect(stop->page, PAGE_BYTES, PROT_NONE);
	(void)close(take_fd(&stop->faults));
	/* One that still waits for its turn is called off. */
	(void)pthread_cancel(stop->writer);
	(void)pthread_join(stop->writer, NULL);
	release(stop);
}
