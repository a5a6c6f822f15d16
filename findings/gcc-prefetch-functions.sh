#!/usr/bin/env bash
# GCC (seen with 12.2, -O1 to -O3) and functions that only prefetch: `__builtin_prefetch` is no effect in its eyes, so calls of a
# function that does nothing else may go, and do go, loop and all and without a warning, unless the function is so small that it
# was put into its caller before that was looked at. Whether it prefetches is so a matter of a line more or less. With an empty
# `asm volatile` beside each, all prefetches are there.
#
# Cython (3.3.1) makes a C function of each `cdef` one, `inline` or not: code that asks for memory ahead, neatly in a function of
# its own, may compile to nothing, and only a profile or the disassembly tells.
#
# This script compiles the same function with and without the `asm`, and counts the prefetching instructions. It needs gcc and
# objdump on x86-64.
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv environment
environment/bin/pip install --quiet "Cython==3.3.1"
includes=$(python3 -c 'import sysconfig; print(sysconfig.get_paths()["include"])')

compile() { # name, and what asks for the memory of an address
    cat >"$1.pyx" <<PYX
# cython: language_level=3
cdef extern from *:
    """
    #define prefetch(address) __builtin_prefetch(address)
    #define prefetch_kept(address) do { __builtin_prefetch(address); __asm__ volatile (""); } while (0)
    """
    void prefetch(void *address) noexcept nogil
    void prefetch_kept(void *address) noexcept nogil

cdef void ask_for(char **objects, size_t count) noexcept nogil:
    """Two lines of each object, then two of what each begins with."""
    cdef size_t index
    for index in range(count):
        $2(objects[index])
        $2(objects[index] + 64)
    for index in range(count):
        $2((<char **>objects[index])[0])
        $2((<char **>objects[index])[0] + 64)

cdef public size_t total(char **objects, size_t count) noexcept nogil:
    cdef size_t index
    cdef size_t sum = 0
    ask_for(objects, count)
    for index in range(count):
        sum += (<size_t **>objects[index])[0][0]
    return sum

cdef public size_t parity(char **objects, size_t count) noexcept nogil:
    cdef size_t index
    cdef size_t sum = 0
    ask_for(objects, count)
    for index in range(count):
        sum ^= (<size_t **>objects[index])[0][0]
    return sum
PYX
    environment/bin/cython -3 "$1.pyx" -o "$1.c"
    gcc -O2 -fPIC -w -I"$includes" -c "$1.c" -o "$1.o"
    objdump -d "$1.o" | grep -c prefetch || true
}

gcc --version | head -1
gone=$(compile gone prefetch)
kept=$(compile kept prefetch_kept)
printf 'prefetching instructions: %s; with an empty asm volatile beside each: %s\n' "$gone" "$kept"
test "$gone" = 0
test "$kept" -ge 4
echo "as described"
