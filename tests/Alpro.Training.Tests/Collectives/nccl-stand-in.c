/* A stand-in for NCCL that adds up in the memory of CPUs, with what makes NCCL hard to use: calls return early, and an operation is in
 * its queue only when its caller has asked often enough; a queue is worked off by a thread of its own, as by a GPU; who waits for a rank
 * that is gone waits for ever, unless it is aborted; a communicator may be used by one thread at a time, and not after it is freed. What
 * breaks that is counted.
 *
 * NCCL_STAND_IN=FAULT:N makes the N-th initialization or operation of this process go wrong:
 *   die-in-init, hang-in-init, fail-in-init, die-in-operation, fail-in-operation, break-in-operation (in the queue, and it never ends) */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { Success = 0, SystemError = 2, InvalidArgument = 4, RemoteError = 6, InProgress = 7 };
enum { Initialize, AllReduce, AllGather, Broadcast, Break };
enum { AsksUntilQueued = 3, MaxWorld = 8, SlotLength = 1 << 18, PollMicroseconds = 20 };

typedef struct { char name[128]; } Id;
typedef struct { size_t size; unsigned magic, version; int blocking; } Config;
typedef struct { atomic_ulong arrived; char slot[MaxWorld][SlotLength]; } Shared;
typedef struct Operation { int kind, type, root; const char *from; char *to; size_t bytes; struct Operation *next; } Operation;
typedef struct {
  int rank, world, asks;
  unsigned long turn;
  char name[128];
  Shared *shared;
  Operation *launching, *first, **last;          /* the queue's head is the one under way */
  pthread_t worker;
  pthread_mutex_t lock;
  pthread_cond_t changed;
  atomic_int state, aborted, freed, inside, finishing, stopping;
} Comm;

static atomic_int misuses, initializations, operations;
static _Thread_local Comm *current;

/* How often a communicator was used by two threads at once, or after it was freed. */
int standInMisuses(void) { return misuses; }

static int fault(const char *name, int number) {
  const char *wanted = getenv("NCCL_STAND_IN");
  size_t length = strlen(name);
  return wanted && !strncmp(wanted, name, length) && wanted[length] == ':' && atoi(wanted + length + 1) == number;
}

static int enter(Comm *comm) {
  if (atomic_fetch_add(&comm->inside, 1) || comm->freed) misuses++;
  return comm->freed ? InvalidArgument : Success;
}

static int leave(Comm *comm, int result) {
  comm->inside--;
  return result;
}

/* Waits for all ranks; 0 if that was aborted. */
static int meet(Comm *comm) {
  unsigned long wanted = ++comm->turn * comm->world;
  comm->shared->arrived++;
  while (comm->shared->arrived < wanted) {
    if (comm->aborted) return 0;
    usleep(PollMicroseconds);
  }
  return !comm->aborted;
}

#define ADD(T)                                                                                               \
  for (size_t i = 0; i < length / sizeof(T); i++) {                                                          \
    T sum = 0;                                                                                               \
    for (int rank = 0; rank < comm->world; rank++) sum += ((T *)comm->shared->slot[rank])[i];                \
    ((T *)(operation->to + at))[i] = sum;                                                                    \
  }

static void perform(Comm *comm, Operation *operation) {
  int number = operation->kind == Initialize || operation->kind == Break ? 0 : atomic_fetch_add(&operations, 1) + 1;
  for (size_t at = 0; at < operation->bytes; at += SlotLength) {
    size_t length = operation->bytes - at < SlotLength ? operation->bytes - at : SlotLength;
    if (operation->kind != Broadcast || operation->root == comm->rank) memcpy(comm->shared->slot[comm->rank], operation->from + at, length);
    if (fault("die-in-operation", number)) raise(SIGKILL);
    if (!meet(comm)) return;
    if (operation->kind == AllReduce && operation->type == 7) { ADD(float) }
    if (operation->kind == AllReduce && operation->type == 8) { ADD(double) }
    for (int rank = 0; operation->kind == AllGather && rank < comm->world; rank++)
      memcpy(operation->to + rank * operation->bytes + at, comm->shared->slot[rank], length);
    if (operation->kind == Broadcast) memcpy(operation->to + at, comm->shared->slot[operation->root], length);
    if (!meet(comm)) return;
  }
  if (operation->kind == Initialize && meet(comm)) {
    shm_unlink(comm->name);
    comm->state = Success;
  }
  if (operation->kind == Break) {
    comm->state = RemoteError;
    while (!comm->aborted) usleep(PollMicroseconds);
  }
}

static void *work(void *argument) {
  Comm *comm = argument;
  pthread_mutex_lock(&comm->lock);
  while (!comm->stopping) {
    if (!comm->first) {
      pthread_cond_wait(&comm->changed, &comm->lock);
      continue;
    }
    pthread_mutex_unlock(&comm->lock);
    if (!comm->aborted) perform(comm, comm->first);
    pthread_mutex_lock(&comm->lock);
    Operation *done = comm->first;
    if (!(comm->first = done->next)) comm->last = &comm->first;
    free(done);
    pthread_cond_broadcast(&comm->changed);
  }
  pthread_mutex_unlock(&comm->lock);
  return NULL;
}

static void queue(Comm *comm, Operation *operation) {
  pthread_mutex_lock(&comm->lock);
  *comm->last = operation;
  comm->last = &operation->next;
  pthread_cond_broadcast(&comm->changed);
  pthread_mutex_unlock(&comm->lock);
}

static Operation *make(int kind, const void *from, void *to, size_t bytes) {
  Operation *made = calloc(1, sizeof *made);
  *made = (Operation){ .kind = kind, .from = from, .to = to, .bytes = bytes };
  return made;
}

/* Waits for what the calling thread's communicator has in its queue, as for a device. */
void standInSynchronize(void) {
  Comm *comm = current;
  if (!comm) return;
  pthread_mutex_lock(&comm->lock);
  while (comm->first) pthread_cond_wait(&comm->changed, &comm->lock);
  pthread_mutex_unlock(&comm->lock);
}

const char *ncclGetErrorString(int result) {
  if (result == RemoteError) return "remote process exited or there was a network error";
  return result == SystemError ? "unhandled system error" : "invalid argument";
}

int ncclGetUniqueId(Id *id) {
  static atomic_int made;
  memset(id, 0, sizeof *id);
  snprintf(id->name, sizeof id->name, "/nccl-stand-in-%d-%d", getpid(), made++);
  return Success;
}

int ncclCommInitRankConfig(Comm **place, int world, Id id, int rank, Config *config) {
  int number = ++initializations;
  if (config->size < sizeof *config || config->magic != 0xcafebeef || config->version < 21400 || config->blocking) return InvalidArgument;
  if (fault("die-in-init", number)) raise(SIGKILL);
  Comm *comm = calloc(1, sizeof *comm);          /* never given back: to be caught when it is used too late */
  comm->rank = rank;
  comm->world = world;
  comm->state = InProgress;
  comm->last = &comm->first;
  memcpy(comm->name, id.name, sizeof id.name);
  int file = shm_open(id.name, O_CREAT | O_RDWR, 0600);
  if (file < 0 || ftruncate(file, sizeof(Shared))) return SystemError;
  comm->shared = mmap(NULL, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  close(file);
  pthread_mutex_init(&comm->lock, NULL);
  pthread_cond_init(&comm->changed, NULL);
  pthread_create(&comm->worker, NULL, work, comm);
  if (fault("fail-in-init", number)) comm->state = SystemError;
  else if (fault("hang-in-init", number)) dprintf(STDOUT_FILENO, "hangs\n");
  else queue(comm, make(Initialize, NULL, NULL, 0));
  *place = current = comm;
  return InProgress;
}

int ncclCommGetAsyncError(Comm *comm, int *state) {
  if (enter(comm)) return leave(comm, InvalidArgument);
  if (comm->launching && --comm->asks <= 0) {
    Operation *launched = comm->launching;
    comm->launching = NULL;
    static atomic_int number;
    int own = ++number;
    comm->state = fault("fail-in-operation", own) ? SystemError : Success;
    if (fault("break-in-operation", own)) *launched = (Operation){ .kind = Break };
    if (comm->state == Success) queue(comm, launched);
    else free(launched);
  }
  if (comm->finishing && !comm->first) comm->state = Success;
  *state = comm->state;
  return leave(comm, Success);
}

static int launch(Comm *comm, Operation *operation) {
  if (enter(comm) || comm->state != Success) return leave(comm, InvalidArgument);
  comm->launching = operation;
  comm->asks = AsksUntilQueued;
  return leave(comm, comm->state = InProgress);
}

int ncclAllReduce(const void *from, void *to, size_t count, int type, int sum, Comm *comm, void *stream) {
  (void)sum, (void)stream;
  Operation *operation = make(AllReduce, from, to, count * (type == 8 ? sizeof(double) : sizeof(float)));
  operation->type = type;
  return launch(comm, operation);
}

int ncclAllGather(const void *from, void *to, size_t count, int type, Comm *comm, void *stream) {
  (void)type, (void)stream;
  return launch(comm, make(AllGather, from, to, count));
}

int ncclBroadcast(const void *from, void *to, size_t count, int type, int root, Comm *comm, void *stream) {
  (void)type, (void)stream;
  Operation *operation = make(Broadcast, from, to, count);
  operation->root = root;
  return launch(comm, operation);
}

int ncclCommFinalize(Comm *comm) {
  if (enter(comm) || comm->state != Success) return leave(comm, InvalidArgument);
  comm->finishing = 1;
  return leave(comm, comm->state = InProgress);
}

static int end(Comm *comm) {
  if (enter(comm)) return leave(comm, InvalidArgument);
  comm->freed = 1;
  pthread_mutex_lock(&comm->lock);
  while (comm->first) pthread_cond_wait(&comm->changed, &comm->lock);
  comm->stopping = 1;
  pthread_cond_broadcast(&comm->changed);
  pthread_mutex_unlock(&comm->lock);
  pthread_join(comm->worker, NULL);
  shm_unlink(comm->name);
  munmap(comm->shared, sizeof(Shared));
  return leave(comm, Success);
}

int ncclCommDestroy(Comm *comm) {
  if (comm->first) misuses++;                    /* it was not finished */
  return end(comm);
}

int ncclCommAbort(Comm *comm) {
  comm->aborted = 1;
  return end(comm);
}
