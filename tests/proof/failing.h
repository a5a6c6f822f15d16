/* Stands in front of a traced build: fails allocations of the core, and none of the tracer, which would not survive it. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

/* How many allocations succeed before one fails, -1: all; and how many then fail, -1: all. tests/window.py makes the
   pointer of every library point to the same two. */
static long timers_none[2] = {-1, -1};
long *timers_failing = timers_none;

static inline int timers_fails(void)
{
    if (timers_failing[0] < 0) return 0;
    if (timers_failing[0] > 0) {
        timers_failing[0]--;
        return 0;
    }
    if (timers_failing[1] > 0 && --timers_failing[1] == 0) timers_failing[0] = -1;
    return 1;
}

static inline void *timers_malloc(size_t size)
{
    return timers_fails() ? NULL : PyMem_Malloc(size);
}

static inline void *timers_calloc(size_t number, size_t size)
{
    return timers_fails() ? NULL : PyMem_Calloc(number, size);
}

static inline void *timers_realloc(void *block, size_t size)
{
    return timers_fails() ? NULL : PyMem_Realloc(block, size);
}

#define PyMem_Malloc timers_malloc
#define PyMem_Calloc timers_calloc
#define PyMem_Realloc timers_realloc
