// Preloaded into a process, counts the bytes of its native heap: what is live, and the most that was. libtorch's tensors on the CPU are there.
#include <errno.h>
#include <malloc.h>
#include <stdatomic.h>
#include <stddef.h>

extern void *__libc_malloc(size_t), *__libc_calloc(size_t, size_t), *__libc_realloc(void *, size_t), *__libc_memalign(size_t, size_t);
extern void __libc_free(void *);

static atomic_long live, peak;

static void *taken(void *p) {
    long now = atomic_fetch_add(&live, (long)malloc_usable_size(p)) + (long)malloc_usable_size(p), before = atomic_load(&peak);
    while (now > before && !atomic_compare_exchange_weak(&peak, &before, now)) { }
    return p;
}

static void given(void *p) { atomic_fetch_sub(&live, (long)malloc_usable_size(p)); }

long heap_live(void) { return atomic_load(&live); }
long heap_peak(void) { return atomic_load(&peak); }
void heap_restart(void) { atomic_store(&peak, atomic_load(&live)); }

void *malloc(size_t n) { return taken(__libc_malloc(n)); }
void *calloc(size_t n, size_t size) { return taken(__libc_calloc(n, size)); }
void *memalign(size_t alignment, size_t n) { return taken(__libc_memalign(alignment, n)); }
void *aligned_alloc(size_t alignment, size_t n) { return taken(__libc_memalign(alignment, n)); }
void free(void *p) { given(p); __libc_free(p); }

void *realloc(void *p, size_t n) {
    given(p);
    return taken(__libc_realloc(p, n));
}

int posix_memalign(void **p, size_t alignment, size_t n) {
    *p = taken(__libc_memalign(alignment, n));
    return *p ? 0 : ENOMEM;
}
