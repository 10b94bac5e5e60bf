/* For tinysshd: an hour that passes in 4 s.  Its limit is alarm(3600), and nothing else is changed. */
#define _GNU_SOURCE
#include <dlfcn.h>

enum { HOUR_S = 3600, SHORT_S = 4 };

unsigned alarm(unsigned seconds)
{
	unsigned (*real)(unsigned) = (unsigned (*)(unsigned))dlsym(RTLD_NEXT, "alarm");

	return real(seconds >= HOUR_S ? SHORT_S : seconds);
}
