/* Counts the kernels that a process runs on a GPU and their time, by CUPTI: the driver loads it when CUDA_INJECTION64_PATH names it. */
#include <cupti.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAMES 4096
#define BUFFER (8 << 20)

static struct { char name[256]; unsigned long long ns; long count; } table[NAMES];
static int names;
static unsigned long long since = ~0ull;

static void add(const char *name, unsigned long long start, unsigned long long end) {
    int i = 0;
    if (start < since) return;
    while (i < names && strncmp(table[i].name, name, 255) != 0) i++;
    if (i == names) {
        if (names == NAMES) return;
        strncpy(table[names++].name, name, 255);
    }
    table[i].ns += end - start;
    table[i].count++;
}

static void CUPTIAPI requested(uint8_t **buffer, size_t *size, size_t *records) {
    *size = BUFFER;
    *buffer = aligned_alloc(8, BUFFER);
    *records = 0;
}

static void CUPTIAPI completed(CUcontext context, uint32_t stream, uint8_t *buffer, size_t size, size_t valid) {
    CUpti_Activity *record = NULL;
    while (cuptiActivityGetNextRecord(buffer, valid, &record) == CUPTI_SUCCESS) {
        if (record->kind == CUPTI_ACTIVITY_KIND_CONCURRENT_KERNEL) {
            CUpti_ActivityKernel9 *kernel = (CUpti_ActivityKernel9 *)record;
            add(kernel->name, kernel->start, kernel->end);
        } else if (record->kind == CUPTI_ACTIVITY_KIND_MEMCPY) {
            CUpti_ActivityMemcpy5 *copy = (CUpti_ActivityMemcpy5 *)record;
            add("copy", copy->start, copy->end);
        } else if (record->kind == CUPTI_ACTIVITY_KIND_MEMSET) {
            CUpti_ActivityMemset4 *set = (CUpti_ActivityMemset4 *)record;
            add("set", set->start, set->end);
        }
    }
    free(buffer);
}

int InitializeInjection(void) {
    cuptiActivityRegisterCallbacks(requested, completed);
    cuptiActivityEnable(CUPTI_ACTIVITY_KIND_CONCURRENT_KERNEL);
    cuptiActivityEnable(CUPTI_ACTIVITY_KIND_MEMCPY);
    cuptiActivityEnable(CUPTI_ACTIVITY_KIND_MEMSET);
    return 1;
}

/* Counts from now on. */
void trace_start(void) {
    cuptiGetTimestamp((uint64_t *)&since);
}

static int longer(const void *a, const void *b) {
    unsigned long long x = ((unsigned long long *)((char *)a + 256))[0], y = ((unsigned long long *)((char *)b + 256))[0];
    return x < y ? 1 : x > y ? -1 : 0;
}

/* Writes what was counted: milliseconds and launches of each kernel, per step. */
void trace_report(const char *file, int steps) {
    unsigned long long all = 0;
    long launches = 0;
    cuptiActivityFlushAll(1);
    qsort(table, names, sizeof table[0], longer);
    FILE *to = fopen(file, "w");
    for (int i = 0; i < names; i++) { all += table[i].ns; launches += table[i].count; }
    fprintf(to, "%.3f ms of device time a step, %.0f launches\n", all / 1e6 / steps, (double)launches / steps);
    for (int i = 0; i < names; i++) fprintf(to, "%9.4f %8.1f  %s\n", table[i].ns / 1e6 / steps, (double)table[i].count / steps, table[i].name);
    fclose(to);
}
