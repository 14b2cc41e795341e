// Stands in for NVIDIA's driver library: one card, or, with NO_CARD in the environment, none.
#include <stdlib.h>
#include <string.h>

int cuDriverGetVersion(int *version) { *version = 12080; return 0; }
int cuInit(unsigned flags) { (void)flags; return getenv("NO_CARD") ? 100 : 0; }
int cuGetErrorString(int result, const char **words) { (void)result; *words = "no CUDA-capable device is detected"; return 0; }
int cuDeviceGetCount(int *count) { *count = 1; return 0; }
int cuDeviceGet(int *device, int ordinal) { *device = ordinal; return 0; }
int cuDeviceGetName(char *name, int length, int device) { (void)device; strncpy(name, "NVIDIA H100 80GB HBM3", length); return 0; }
int cuDeviceTotalMem_v2(size_t *bytes, int device) { (void)device; *bytes = 81559ul << 20; return 0; }
int cuDeviceGetAttribute(int *value, int attribute, int device) { (void)device; *value = attribute == 75 ? 9 : 0; return 0; }
