/*
 * faults.so, for LD_PRELOAD: stands before the functions of table.h, counts the calls that come from
 * the program itself (not from its libraries), and has one of them fail.  The file that FAULTS names
 * says which; faults.h.
 *
 * Each function is a few instructions that keep the arguments as they are, whatever their number and
 * types: so x86-64 only.
 */
#include "faults.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

enum returns { MINUS, NOTHING, CODE, FAILED };

enum { ERRORS_MAX = 8 };

/* As the stubs below put them on the stack. */
struct registers {
	uint64_t rdi, rsi, rdx, rcx, r8, r9, rax;
	uint64_t from; /* return address */
};

struct function {
	const char *name;
	enum returns returns;
	uint8_t n;
	uint8_t errors[ERRORS_MAX];
};

#define COUNT(...) (sizeof((int[]){ __VA_ARGS__ }) / sizeof(int))

static const struct function functions[] = {
#define FAULT(name, returns, ...) { #name, returns, COUNT(__VA_ARGS__), { __VA_ARGS__ } },
#include "table.h"
#undef FAULT
};

enum number {
#define FAULT(name, returns, ...) NUMBER_##name,
#include "table.h"
#undef FAULT
	NUMBER_N
};

/* dlsym(3) allocates; these are there without it. */
/* NOLINTNEXTLINE(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp): the names are theirs */
extern char __libc_malloc[], __libc_calloc[], __libc_realloc[];

__attribute__((visibility("hidden"))) void *faults_real[NUMBER_N] = {
	[NUMBER_malloc] = __libc_malloc,
	[NUMBER_calloc] = __libc_calloc,
	[NUMBER_realloc] = __libc_realloc,
};

__attribute__((visibility("hidden"))) int faults_decide(uint32_t number,
							struct registers *registers);
__attribute__((visibility("hidden"))) __thread uint64_t faults_value;

static struct faults *shared;
static uint64_t program_start, code_start, code_end;

/* What the program itself is made of comes first. */
static int take_program(struct dl_phdr_info *info, size_t size, void *context)
{
	(void)size;
	(void)context;
	program_start = info->dlpi_addr;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *part = &info->dlpi_phdr[i];

		if (part->p_type == PT_LOAD && (part->p_flags & PF_X)) {
			code_start = info->dlpi_addr + part->p_vaddr;
			code_end = code_start + part->p_memsz;
		}
	}
	return 1;
}

__attribute__((constructor)) static void start(void)
{
	const char *path = getenv("FAULTS");
	int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
	void *memory;

	if (fd < 0)
		return;
	memory = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	(void)close(fd);
	(void)dl_iterate_phdr(take_program, NULL);
	if (memory != MAP_FAILED)
		shared = memory;
}

static void fail(const struct function *function)
{
	uint32_t error = function->errors[shared->choice % function->n];

	shared->failed = 1;
	shared->error = error;
	if (error == 0)
		return;
	errno = (int)error;
	faults_value = function->returns == CODE      ? error
		       : function->returns == NOTHING ? 0
						      : UINT64_MAX;
}

/* Returns whether the call fails; else it is made, perhaps with other arguments. */
int faults_decide(uint32_t number, struct registers *registers)
{
	uint32_t count;

	if (!faults_real[number])
		faults_real[number] = dlsym(RTLD_NEXT, functions[number].name);
	if (!shared || !__atomic_load_n(&shared->armed, __ATOMIC_ACQUIRE) ||
	    registers->from < code_start || registers->from >= code_end ||
	    shared->pid != (uint32_t)syscall(SYS_getpid))
		return 0;
	count = __atomic_add_fetch(&shared->count, 1, __ATOMIC_ACQ_REL);
	if (count <= FAULTS_TRACE_MAX)
		shared->trace[count - 1] =
			(struct faults_call){ number, (uint32_t)(registers->from - program_start) };
	if (count != shared->fail_at)
		return 0;
	fail(&functions[number]);
	/* Less than it was asked for. */
	if (shared->error == 0 && registers->rdx > 1)
		registers->rdx = registers->rdx > 64 ? 7 : registers->rdx - 1;
	return shared->error != 0;
}

__attribute__((visibility("hidden"))) uint64_t faults_return(void);

/* In place of the function. */
uint64_t faults_return(void)
{
	return faults_value;
}

/* The arguments on the stack, the decision, and either the function or faults_return() in its place.
 * NUMBER_... are no words for the assembler, so it counts them itself. */
#define FAULT(name, returns, ...)                                        \
	__asm__(".text\n"                                                \
		".ifndef faults_number\n.set faults_number, 0\n.endif\n" \
		".globl " #name "\n"                                     \
		".type " #name ", @function\n" #name ":\n"               \
		"push %rax; push %r9; push %r8; push %rcx\n"             \
		"push %rdx; push %rsi; push %rdi\n"                      \
		"mov $faults_number, %edi\n"                             \
		"mov %rsp, %rsi\n"                                       \
		"call faults_decide\n"                                   \
		"test %eax, %eax\n"                                      \
		"jne 1f\n"                                               \
		"pop %rdi; pop %rsi; pop %rdx; pop %rcx\n"               \
		"pop %r8; pop %r9; pop %rax\n"                           \
		"jmp *faults_real+8*faults_number(%rip)\n"               \
		"1: add $56, %rsp\n"                                     \
		"jmp faults_return\n"                                    \
		".size " #name ", .-" #name "\n"                         \
		".set faults_number, faults_number + 1\n");
#include "table.h"
