/* What a test and the library in the process under test share: a file that both have mapped. */
#pragma once

#include <stdint.h>

#define FAULTS_TRACE_MAX 65536

struct faults_call {
	uint32_t function; /* number in the table */
	uint32_t from;	   /* where it was called, from the start of the program */
};

struct faults {
	uint32_t pid;	  /* the only process that is interfered with */
	uint32_t armed;	  /* calls are counted */
	uint32_t fail_at; /* the number of the call that fails, from 1; 0: none */
	uint32_t choice;  /* which of its ways to fail */
	uint32_t count;	  /* of calls since it was armed */
	uint32_t failed;  /* 1: one has failed */
	uint32_t error;	  /* errno it failed with; 0: it did less than it was asked for */
	uint32_t reserved;
	struct faults_call trace[FAULTS_TRACE_MAX];
};
