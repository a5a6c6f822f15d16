/* Stands in front of a traced build: fails one allocation of the core, and none of the tracer, which would not survive it. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

long timers_failing = -1;

static inline void *timers_malloc(size_t size)
{
    return timers_failing-- == 0 ? NULL : PyMem_Malloc(size);
}

static inline void *timers_calloc(size_t number, size_t size)
{
    return timers_failing-- == 0 ? NULL : PyMem_Calloc(number, size);
}

#define PyMem_Malloc timers_malloc
#define PyMem_Calloc timers_calloc
